"""The route of pruning methods."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request, Response

from api.routes.dependencies import IF_NONE_MATCH
from api.schemas.catalogue import MethodPage, MethodRead, PresetRead
from api.web.conditional import revalidated
from db.spec.catalogue import METHODS, MethodInfo
from db.spec.metrics import METRIC_NAMES, OPTIONAL_METRICS
from db.spec.prune_spec import OPTIONS, PruneSpec
from db.spec.pruning.presets import LEFT_OUT, PRESETS, RECOMMENDED

router = APIRouter(prefix="/v1/methods", tags=["catalog"])


@router.get(
    "",
    dependencies=[IF_NONE_MATCH],
    responses={304: {"description": "The client already has this version."}},
    response_model=MethodPage,
)
def list_methods(request: Request) -> Response:
    """List the methods, solvers and allocations, each with the JSON Schema of a job that uses it.

    `presets` are the named combinations of fields; `metrics` are the metrics that a gate can bound.
    """
    return revalidated(request, _methods(), "application/json")


@cache
def _methods() -> bytes:
    """Return the same body for all requests: to create it takes 100 ms."""
    data = [
        MethodRead(**asdict(method), fields=list(method.fields), options=_job_schema(method))
        for method in METHODS
    ]
    # What depends on no method is sent once: gzip finds a repetition in the last 32 kB alone.
    data[0].options |= _FORM | {"x-results": _RESULTS}
    page = MethodPage(
        data=data,
        presets=[_preset(name, fields) for name, fields in PRESETS.items()],
        metrics=[*METRIC_NAMES, *chain(*OPTIONAL_METRICS.values())],
    )
    return page.model_dump_json().encode()


def _preset(name: str, fields: Mapping[str, Any]) -> PresetRead:
    return PresetRead(
        name=name,
        fields=dict(fields),
        recommended=name == RECOMMENDED,
        left_out={
            field: {other: list(values) for other, values in LEFT_OUT[field].items()}
            for field in fields
            if field in LEFT_OUT
        },
    )


def _job_schema(method: MethodInfo) -> dict[str, Any]:
    """Return the schema of a job that names the method in the first field that accepts it."""
    schema, field = PruneSpec.model_json_schema(), method.fields[0]
    schema["properties"][field] = {"const": method.name}
    if field == "method":
        schema["properties"][field]["default"] = method.name
    else:
        schema["required"].append(field)
    document = json.dumps(schema)
    unused = [name for name in schema["$defs"] if f'"#/$defs/{name}"' not in document]
    for name in unused:
        del schema["$defs"][name]
    return schema


_FIRST = {name: place for option in OPTIONS for name, place in option.first.items()}
_FORM = {
    "x-labels": {name: label for option in OPTIONS for name, label in option.labels.items()},
    "x-sections": {name: option.place_of(name)[1] for option in OPTIONS for name in option.fields},
    "x-first": sorted(_FIRST, key=_FIRST.__getitem__),
    "x-only-with": {
        name: {other: sorted(values) for other, values in needed.items()}
        for option in OPTIONS
        for name, needed in option.only_with.items()
    },
}
"""What the form of a job knows of the fields beside their types and texts.

``x-labels`` and ``x-sections`` are their labels and sections, ``x-first`` the fields at the head,
and ``x-only-with`` says which fields need another one, and which values of it.
"""
_RESULTS = [asdict(option.result) for option in OPTIONS if option.result is not None]
