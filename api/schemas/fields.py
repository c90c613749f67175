"""Types of fields that several requests share."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    StrictInt,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Priority = Annotated[StrictInt, Field(ge=-10, le=10)]
FIRST_MOMENT, LAST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


def _require_iso_format(value: object) -> object:
    """Refuse a value that is neither a datetime nor a text that starts with a date.

    pydantic would also accept numbers, as seconds since 1970.
    """
    is_iso = isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)
    if not is_iso and not isinstance(value, datetime):
        raise PydanticCustomError(
            "datetime_parsing", "Input should be a date with time and time zone"
        )
    return value


def _require_usual_year(value: datetime) -> datetime:
    """Refuse moments that some time zone or database cannot express."""
    if not FIRST_MOMENT <= value < LAST_MOMENT:
        raise PydanticCustomError("moment", "Input should be from 1970 on and before 3000")
    return value


Moment = Annotated[
    AwareDatetime, BeforeValidator(_require_iso_format), AfterValidator(_require_usual_year)
]
