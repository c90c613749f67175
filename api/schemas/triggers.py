"""Schemas of triggers and their deliveries."""

import re
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    JsonValue,
    RootModel,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from api.core.json_pointers import Pointer
from api.schemas.fields import RequestModel, RowModel
from api.schemas.jobs import JobPreview
from api.schemas.keys import Name
from api.schemas.requests import JobRequest
from db.core.label_types import LABEL_NAME
from db.tables.triggers import Trigger, TriggerDelivery, TriggerOutcome, TriggerSource

MAX_POINTERS = 32
"""The largest number of entries in a filter or a map."""
# The sender of a payload must not choose among the secrets of the trigger's key.
MAPPABLE = JobRequest.model_fields.keys() - {"model_secret", "output"}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}


def _check_filter_value(value: JsonValue) -> JsonValue:
    for item in value if isinstance(value, list) else [value]:
        is_not_json = isinstance(item, float) and not isfinite(item)
        if (
            isinstance(item, dict | list)
            or is_not_json
            or len(str(item)) > 1000
            or "\0" in str(item)
        ):
            raise PydanticCustomError("filter_value", "is too long, or has the wrong type")
    return value


def _check_field(name: str) -> str:
    field, dot, label = name.partition(".")
    if field not in MAPPABLE or bool(dot and label) != (field == "labels"):
        raise PydanticCustomError(
            "job_field",
            "is not a field of a job that can be filled",
        )
    if label and re.fullmatch(LABEL_NAME, label) is None:
        raise PydanticCustomError("label_name", "has no name of a label after labels.")
    return name


FilterValue = Annotated[
    JsonValue,
    AfterValidator(_check_filter_value),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}),
]
JobField = Annotated[str, Field(max_length=100), AfterValidator(_check_field)]
Filter = Annotated[dict[Pointer, FilterValue], Field(max_length=MAX_POINTERS)]
FieldMap = Annotated[dict[JobField, Pointer], Field(max_length=MAX_POINTERS)]


class JobTemplate(RootModel[dict[str, JsonValue]]):
    """A job, as in POST /v1/jobs; fields that the trigger's `map` fills can be omitted."""


class TriggerRequest(RequestModel):
    """A new trigger."""

    name: Name = Field(description="A name for people.")
    source: TriggerSource = Field(
        description="The system that calls the trigger; it decides how calls authenticate."
    )
    job: JobTemplate = Field(description="The job; fields that `map` fills can be omitted.")
    filter: Filter = Field(
        default={},
        description="For each JSON pointer into the payload, the required value or a list of "
        "allowed ones. Calls that do not match all of them are ignored.",
    )
    map: FieldMap = Field(
        default={},
        description="For each field of the job, or `labels.NAME`, the JSON pointer to its value "
        "in the payload.",
    )


class TriggerPatch(RequestModel):
    """The fields of a trigger that change; omitted or null fields stay the same."""

    name: Name | None = None
    job: JobTemplate | None = Field(
        default=None, description="The complete job, not only the changed fields."
    )
    filter: Filter | None = None
    map: FieldMap | None = None

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class TriggerRead(BaseModel):
    """A trigger without its secret."""

    id: str
    name: str
    source: TriggerSource
    job: dict[str, Any]
    filter: dict[str, Any]
    map: dict[str, str]
    hook: str = Field(description="The path that the source calls with POST.")
    former_until: datetime | None = Field(
        description="Until when the previous secret is valid, too."
    )
    created_at: datetime
    created_by: str | None = Field(
        description="The key whose quotas its jobs count against, if any."
    )

    @classmethod
    def of(cls, row: Trigger, **fields: str) -> Self:
        plain = {name: getattr(row, name) for name in TriggerRead.model_fields if name != "hook"}
        return cls(hook=f"/v1/hooks/{row.id}", **plain, **fields)


class NewTrigger(TriggerRead):
    """A trigger with its secret, which is never shown again."""

    secret: str = Field(description="The secret that its calls authenticate with.")


class TriggerTestRequest(RequestModel):
    """A request to test a trigger with a simulated call."""

    payload: JsonValue = Field(description="The body of the call.")


class TriggerTest(BaseModel):
    """The result that a call would have."""

    outcome: TriggerOutcome
    reason: str | None = Field(description="Why the call would be ignored.")
    job: JobPreview | None = Field(description="The job that would be submitted.")


class TriggerDeliveryRead(RowModel):
    """One authenticated call to a trigger."""

    id: str
    trigger_id: str
    delivery_id: str = Field(description="The id that its source sent, or a digest of its body.")
    outcome: TriggerOutcome
    reason: str | None = Field(description="Why the call was ignored.")
    job_id: str | None = Field(description="The job that it started, which may be deleted by now.")
    problem: dict[str, Any] | None = Field(description="Why the call was refused.")
    created_at: datetime


class HookAnswer(BaseModel):
    """The result of a call to a trigger."""

    outcome: TriggerOutcome
    delivery_id: str
    reason: str | None = Field(description="Why the call was ignored.")
    job_id: str | None
    job: str | None = Field(description="The path of the job.")

    @classmethod
    def of(cls, row: TriggerDelivery) -> Self:
        return cls(
            outcome=row.outcome,
            delivery_id=row.delivery_id,
            reason=row.reason,
            job_id=row.job_id,
            job=None if row.job_id is None else f"/v1/jobs/{row.job_id}",
        )
