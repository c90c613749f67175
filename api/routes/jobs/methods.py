"""The route of pruning methods."""

import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from api.schemas.methods import MethodRead
from api.schemas.pages import Page
from db.spec.catalogue import METHODS, MethodInfo
from db.spec.prune_spec import PruneSpec

router = APIRouter(prefix="/v1/methods", tags=["catalog"])


@router.get("")
def list_methods() -> Page[MethodRead]:
    """List the pruning methods, each with the JSON Schema of a job that uses it."""
    return Page(
        data=[
            MethodRead(**asdict(one), fields=list(one.fields), options=_job_schema(one))
            for one in METHODS
        ]
    )


def _job_schema(method: MethodInfo) -> dict[str, Any]:
    """Return the schema of a job that sets the first of the method's fields to the method."""
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
