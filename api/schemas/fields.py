"""Bases of requests and responses, and types of fields that several of them share."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from db.core.broker_names import QUEUE_NAME


class RequestModel(BaseModel):
    """A body or query parameters that refuse unknown fields."""

    model_config = ConfigDict(extra="forbid")


class RowModel(BaseModel):
    """A response that is made from the attributes of a row."""

    model_config = ConfigDict(from_attributes=True)


Advice = Annotated[
    list[str],
    Field(
        description="What was measured to be better than what the job asks for, and its cost. "
        "Nothing is changed."
    ),
]
QueueName = Annotated[str, StringConstraints(pattern=QUEUE_NAME)]
Amount = Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)]
Priority = Annotated[StrictInt, Field(ge=-10, le=10)]
FIRST_MOMENT, LAST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


def _require_iso_format(value: object) -> object:
    """Refuse a value that is neither a datetime nor a text that starts with a date.

    pydantic would also accept numbers, as seconds since 1970.
    """
    is_iso = isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)
    if not is_iso and not isinstance(value, datetime):
        raise PydanticCustomError("datetime_parsing", "is not a date with time and time zone")
    return value


def _require_usual_year(value: datetime) -> datetime:
    """Refuse moments that some time zone or database cannot express."""
    if not FIRST_MOMENT <= value < LAST_MOMENT:
        raise PydanticCustomError("moment", "is too early or too late")
    return value


Moment = Annotated[
    AwareDatetime, BeforeValidator(_require_iso_format), AfterValidator(_require_usual_year)
]

DURATION = r"^([0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,5}h|[0-9]{1,4}d)$"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration_or_moment(
    value: object, moment: ValidatorFunctionWrapHandler
) -> datetime | timedelta:
    """Read a duration such as ``2h``, or else a moment."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and re.fullmatch(DURATION, value):
        return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})
    if isinstance(value, str) and not re.match(r"\d{4}-", value):
        raise PydanticCustomError(
            "moment_or_duration", "is neither a date with time and time zone nor a duration"
        )
    timestamp: datetime = moment(value)
    return timestamp


def _written(value: datetime | timedelta) -> str:
    """Write a value so that the same request has the same text, whenever it is sent."""
    if isinstance(value, timedelta):
        return f"{value // timedelta(seconds=1)}s"
    return value.isoformat().replace("+00:00", "Z")


MomentOrDuration = Annotated[
    Moment,
    WrapValidator(_duration_or_moment),
    PlainSerializer(_written, return_type=str, when_used="json-unless-none"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "pattern": DURATION},
            ]
        }
    ),
]
"""A moment, or a duration from the request on, which is a ``timedelta``; see `moment_at`."""


def moment_at(value: datetime | timedelta | None, at: datetime) -> datetime | None:
    """Return the moment that a `MomentOrDuration` is in a request of the time ``at``."""
    return at + value if isinstance(value, timedelta) else value


def rounded(amount: float) -> float:
    """Return an amount to a hundredth of a cent, so that small jobs have a cost, too."""
    return round(amount, 4)
