"""Numbers of parameters and of bytes as people write them: ``6B``, ``24 GB``."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, StrictInt, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{i}b": (1024 if i else 1000) ** (power + 1)
    for power, letter in enumerate("kmgt")
    for i in ("", "i")
}
MOST = 2**62
"""No model comes near; a larger number would not fit into the database."""


def _reader(units: dict[str, int], examples: str) -> BeforeValidator:
    """Return a validator that reads a number with one of these units."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        match = _TEXT.fullmatch(value)
        if match is None or (factor := units.get(match[2].lower())) is None:
            raise PydanticCustomError("size", "is not a size", {"examples": examples})
        if (number := float(match[1]) * factor) > MOST:  # infinite, if it has hundreds of digits
            raise PydanticKnownError("less_than_equal", {"le": MOST})
        return round(number)

    return BeforeValidator(read)


_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "integer", "exclusiveMinimum": 0}]}
)
_Number = Annotated[StrictInt, Field(gt=0, le=MOST)]
ParameterCount = Annotated[_Number, _reader(_COUNTS, "'350M', '1.5B' or 1500000000"), _SCHEMA]
ByteCount = Annotated[_Number, _reader(_BYTES, "'3.5 GB', '24 GiB' or 3500000000"), _SCHEMA]
