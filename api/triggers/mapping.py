"""Filtering the payloads that a trigger receives, and mapping them to jobs."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue, TypeAdapter, ValidationError

from api.core.json_pointers import PointerNotFoundError, resolve
from api.schemas.requests import JobRequest
from db.core.errors import SpecRefusedError
from db.core.label_types import MAX_LABELS
from db.spec.combination import check_combination
from db.spec.metrics import check_gate
from db.spec.outputs.targets import Outputs, Target
from db.tables.triggers import Trigger

PLACEHOLDERS: dict[str, Any] = {"model": "any", "dataset": "any"}
OPTIONS = JobRequest.model_fields.keys() - {*PLACEHOLDERS, "revision", "name", "labels"}
"""Fields that can be checked without knowing the model and the dataset."""
OUTPUTS = TypeAdapter[tuple[Target, ...]](Outputs)
LABEL = "trigger"
"""The name of the job label whose value is the trigger's id."""


def check_template(job: Mapping[str, JsonValue], mapped: Mapping[str, str]) -> None:
    """Check a trigger's job template; ``mapped`` names the fields that payloads will fill.

    If ``mapped`` contains none of ``OPTIONS``, the gate and the combination of the options are
    checked as well.

    Raises:
        RequestValidationError: a field is invalid, or is missing and not mapped, or there are too
            many labels.
        SpecRefusedError: the options cannot be combined, or the gate names an unknown metric.
    """
    try:
        JobRequest.model_validate(job)
    except ValidationError as refused:
        errors = [
            error | {"loc": ("body", "job", *error["loc"])}
            for error in refused.errors()
            if error["type"] != "missing" or not mapped.keys() & _alternatives(error["loc"][0])
        ]
        if errors:
            raise RequestValidationError(errors) from None

    _check_labels(job, mapped)
    if not OPTIONS & mapped.keys():
        _check_options(JobRequest.model_validate(PLACEHOLDERS | {**job}))


def _check_labels(job: Mapping[str, Any], mapped: Iterable[str]) -> None:
    """Check that a job may have the labels of its template, those that are mapped, and `LABEL`."""
    added = {field.removeprefix("labels.") for field in mapped if field.startswith("labels.")}
    count = len({*(labels := job.get("labels", {})), *added, LABEL})
    if count > MAX_LABELS:
        error = {"type": "too_many_labels", "loc": ("body", "job", "labels"), "input": labels}
        error["msg"] = f"with those in map and the label {LABEL}, a job would have {count}"
        error["ctx"] = {"surplus": count - MAX_LABELS, "most": MAX_LABELS}
        raise RequestValidationError([error])


def template_outputs(job: Mapping[str, JsonValue]) -> tuple[Target, ...]:
    """Return the outputs of a checked template."""
    return OUTPUTS.validate_python(job.get("output", ()))


def _check_options(request: JobRequest) -> None:
    try:
        check_gate(request.gate, request)
        check_combination(request.spec())
    except SpecRefusedError as refused:
        raise refused.within("job") from None


def _alternatives(field: int | str) -> set[int | str]:
    """Return ``field`` and its alternatives; a job needs only one of these fields."""
    return {"sparsity", "pattern", "method"} if field == "sparsity" else {field}


def filter_mismatch(conditions: Mapping[str, JsonValue], payload: JsonValue) -> str | None:
    """Return why a payload does not match a filter; None if it matches."""
    for pointer, expected in conditions.items():
        try:
            actual = resolve(payload, pointer)
        except PointerNotFoundError:
            return f"the payload has no value at {pointer}"
        allowed = expected if isinstance(expected, list) else [expected]
        if not any(_is_equal(value, actual) for value in allowed):
            return f"{pointer} does not match the filter"
    return None


def build_job(trigger: Trigger, payload: JsonValue) -> JobRequest:
    """Fill a trigger's job template from a payload.

    Raises:
        SpecRefusedError: the payload lacks a mapped value.
        RequestValidationError: the fields are not those of a valid job.
    """
    job: dict[str, Any] = {**trigger.job}
    job["labels"] = {**job.get("labels", {})}
    for field, pointer in trigger.map.items():
        name, _, label = field.partition(".")
        if label:
            job[name][label] = _mapped_value(payload, field, pointer)
        else:
            job[name] = _mapped_value(payload, field, pointer)
    job["labels"][LABEL] = trigger.id
    try:
        return JobRequest.model_validate(job)
    except ValidationError as refused:
        errors = [error | {"loc": ("body", *error["loc"])} for error in refused.errors()]
        raise RequestValidationError(errors) from None


def _mapped_value(payload: JsonValue, field: str, pointer: str) -> JsonValue:
    try:
        return resolve(payload, pointer)
    except PointerNotFoundError:
        remedy = "Change the trigger's map, or add a filter that ignores such payloads."
        reason = "the payload has no value there"
        raise SpecRefusedError(field, pointer, "unmapped", reason, remedy) from None


def _is_equal(one: JsonValue, other: JsonValue) -> bool:
    """Whether two JSON values are equal; in JSON, 1 is not ``true``."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other
