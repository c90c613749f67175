"""Fields that several requests share, with what databases and answers can hold."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field, StrictInt, StringConstraints
from pydantic_core import PydanticCustomError

# PostgreSQL keeps no NUL, and other control characters only break whoever prints them.
Label = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Priority = Annotated[StrictInt, Field(ge=-10, le=10)]


def _refuse_a_number(value: object) -> object:
    """Seconds since 1970 would be read as well, but nobody was promised that."""
    is_written = isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)
    if not is_written and not isinstance(value, datetime):
        raise PydanticCustomError("datetime_parsing", "Input should be a date with time and zone")
    return value


# Bounds that every zone and every database can express.
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_refuse_a_number),
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC)),
]
LABELS = 32
"""How many a job may have."""
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
