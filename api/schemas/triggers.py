"""Triggers, and what came in for them, as they are asked for and answered."""

from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    RootModel,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from api.schemas.jobs import JobPreview
from api.schemas.keys import Name
from api.schemas.requests import JobRequest
from api.web.json_pointers import Pointer
from db.tables.triggers import Trigger, TriggerDelivery, TriggerOutcome, TriggerSource

MOST = 32
"""How many places of a payload a filter or a map may name."""
_PLAIN = {"type": ["string", "number", "boolean", "null"]}


def _check_wanted(value: JsonValue) -> JsonValue:
    for one in value if isinstance(value, list) else [value]:
        is_unequal = isinstance(one, float) and not isfinite(one)
        if isinstance(one, dict | list) or is_unequal or len(str(one)) > 1000 or "\0" in str(one):
            raise PydanticCustomError("filter_value", "Input is nothing that a payload can equal")
    return value


def _check_field(name: str) -> str:
    field, dot, label = name.partition(".")
    if field not in JobRequest.model_fields or bool(dot and label) != (field == "labels"):
        raise PydanticCustomError("job_field", "Input is no field of a job")
    return name


Wanted = Annotated[
    JsonValue,
    AfterValidator(_check_wanted),
    WithJsonSchema({"anyOf": [_PLAIN, {"type": "array", "items": _PLAIN}]}),
]
JobField = Annotated[str, Field(max_length=100), AfterValidator(_check_field)]
Filter = Annotated[dict[Pointer, Wanted], Field(max_length=MOST)]
FieldMap = Annotated[dict[JobField, Pointer], Field(max_length=MOST)]


class JobTemplate(RootModel[dict[str, JsonValue]]):
    """Fields of a job, as POST /v1/jobs takes them; what a trigger's `map` fills may be missing."""


class TriggerRequest(BaseModel):
    """A new trigger."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="For whoever reads the list.")
    source: TriggerSource = Field(description="Who calls it, and so how a call proves itself.")
    job: JobTemplate = Field(description="The job; what `map` fills may be left out.")
    filter: Filter = Field(
        default={},
        description="By JSON pointer into the payload, the value there, or a list of which it must "
        "be one. All must fit; another call is ignored.",
    )
    map: FieldMap = Field(
        default={},
        description="By field of the job, or `labels.NAME`, the JSON pointer into the payload to "
        "what fills it.",
    )


class TriggerPatch(BaseModel):
    """What is to change; what is left out or null stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    job: JobTemplate | None = Field(default=None, description="All of the job, not only a part.")
    filter: Filter | None = None
    map: FieldMap | None = None

    def changes(self) -> dict[str, Any]:
        """Return the fields of the row that change."""
        return self.model_dump(exclude_none=True)


class TriggerRead(BaseModel):
    """A trigger without its secret."""

    id: str
    name: str
    source: TriggerSource
    job: dict[str, Any]
    filter: dict[str, Any]
    map: dict[str, str]
    hook: str = Field(description="Where it is called: POST to this path.")
    former_until: datetime | None = Field(description="Until when the secret before is good, too.")
    created_at: datetime
    created_by: str | None = Field(description="The key that its jobs count for, if any.")

    @classmethod
    def of(cls, row: Trigger, **fields: str) -> Self:
        """Return the face of a trigger's row."""
        plain = {name: getattr(row, name) for name in TriggerRead.model_fields if name != "hook"}
        return cls(hook=f"/v1/hooks/{row.id}", **plain, **fields)


class NewTrigger(TriggerRead):
    """A trigger with its secret, which nothing shows again."""

    secret: str = Field(description="What its calls prove themselves with.")


class TriggerTestRequest(BaseModel):
    """A call that is only tried."""

    model_config = ConfigDict(extra="forbid")

    payload: JsonValue = Field(description="What the body of a call would be.")


class TriggerTest(BaseModel):
    """What would come of a call."""

    outcome: TriggerOutcome
    reason: str | None = Field(description="Why it would be ignored.")
    job: JobPreview | None = Field(description="What would be submitted.")


class TriggerDeliveryRead(BaseModel):
    """One call of a trigger that proved itself."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    trigger_id: str
    delivery_id: str = Field(description="What its source named it by, or a digest of its body.")
    outcome: TriggerOutcome
    reason: str | None = Field(description="Why it was ignored.")
    job_id: str | None = Field(description="The job it started; that may be deleted since.")
    problem: dict[str, Any] | None = Field(description="Why it was refused.")
    created_at: datetime


class HookAnswer(BaseModel):
    """What came of a call."""

    outcome: TriggerOutcome
    delivery_id: str
    reason: str | None = Field(description="Why it was ignored.")
    job_id: str | None
    job: str | None = Field(description="Where the job is.")

    @classmethod
    def of(cls, row: TriggerDelivery) -> Self:
        """Return what the caller is told."""
        return cls(
            outcome=row.outcome,
            delivery_id=row.delivery_id,
            reason=row.reason,
            job_id=row.job_id,
            job=None if row.job_id is None else f"/v1/jobs/{row.job_id}",
        )
