"""What becomes of a payload: nothing, where a trigger's filter says so, or a job."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue, ValidationError

from api.schemas.requests import JobRequest
from api.web.json_pointers import NothingThereError, found
from db.core.errors import SpecRefusedError
from db.spec.combinations import check_combination
from db.spec.metrics import check_gate
from db.tables.triggers import Trigger

STAND_INS: dict[str, Any] = {"model": "any", "dataset": "any"}
OPTIONS = JobRequest.model_fields.keys() - {*STAND_INS, "revision", "name", "labels"}
"""Fields that say how to prune, or what is expected of it."""
LABEL = "trigger"
"""By this label its trigger's id is found on a job."""


def check_template(job: Mapping[str, JsonValue], mapped: Mapping[str, str]) -> None:
    """Refuse what would never make a job, whatever a payload holds.

    Raises:
        RequestValidationError: a field is wrong, or is missing and not mapped either.
        SpecRefusedError: the options do not go together, or the gate bounds no figure of a job.
    """
    try:
        JobRequest.model_validate(job)
    except ValidationError as refused:
        errors = [
            error | {"loc": ("body", "job", *error["loc"])}
            for error in refused.errors()
            if error["type"] != "missing" or not mapped.keys() & _filled_by(error["loc"][0])
        ]
        if errors:
            raise RequestValidationError(errors) from None

    if not OPTIONS & mapped.keys():
        _check_options(JobRequest.model_validate(STAND_INS | {**job}))


def _check_options(request: JobRequest) -> None:
    try:
        check_gate(request.gate)
        check_combination(request.spec())
    except SpecRefusedError as refused:
        raise refused.within("job") from None


def _filled_by(field: int | str) -> set[int | str]:
    """Return the fields of which one fills this one."""
    return {"sparsity", "pattern"} if field == "sparsity" else {field}


def unmet(wanted: Mapping[str, JsonValue], payload: JsonValue) -> str | None:
    """Return how a payload differs from what a filter wants; None if it does not."""
    for pointer, value in wanted.items():
        try:
            there = found(payload, pointer)
        except NothingThereError:
            return f"the payload has nothing at {pointer}"
        allowed = value if isinstance(value, list) else [value]
        if not any(_is_same(one, there) for one in allowed):
            return f"{pointer} is not what the filter wants"
    return None


def job_from(trigger: Trigger, payload: JsonValue) -> JobRequest:
    """Return the job that a trigger makes of a payload.

    Raises:
        SpecRefusedError: the payload lacks what a field is to be filled with.
        RequestValidationError: the fields do not make a job.
    """
    job: dict[str, Any] = {**trigger.job}
    job["labels"] = {**job.get("labels", {})}
    for field, pointer in trigger.map.items():
        name, _, label = field.partition(".")
        if label:
            job[name][label] = _mapped(payload, field, pointer)
        else:
            job[name] = _mapped(payload, field, pointer)
    job["labels"][LABEL] = trigger.id
    try:
        return JobRequest.model_validate(job)
    except ValidationError as refused:
        errors = [error | {"loc": ("body", *error["loc"])} for error in refused.errors()]
        raise RequestValidationError(errors) from None


def _mapped(payload: JsonValue, field: str, pointer: str) -> JsonValue:
    try:
        return found(payload, pointer)
    except NothingThereError:
        remedy = "Change the trigger's map, or its filter so that such a payload is ignored."
        reason = "the payload has nothing there"
        raise SpecRefusedError(field, pointer, "unmapped", reason, remedy) from None


def _is_same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are the same in JSON, where 1 is not true."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other
