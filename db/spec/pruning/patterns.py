"""The field ``pattern`` of a specification, and the sparsity that it or the method implies."""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from db.spec.pruning.methods import REMOVING, MethodName

PATTERN = r"^[1-9][0-9]?:[1-9][0-9]?$"


def _check_pattern(value: str) -> str:
    if re.fullmatch(PATTERN, value) is None:
        raise PydanticCustomError("pattern", "is not a pattern")
    return value


def implied_sparsity(method: object, pattern: object) -> float | None:
    """Return the sparsity that the method or a pattern N:M implies; None if neither does."""
    if method in (MethodName.none, *REMOVING):  # a set would need a value that can be hashed
        return 0.0
    if not isinstance(pattern, str) or re.fullmatch(PATTERN, pattern) is None:
        return None
    kept, group = map(int, pattern.split(":"))
    return max(0.0, 1 - kept / group)


Pattern = Annotated[
    str, AfterValidator(_check_pattern), WithJsonSchema({"type": "string", "pattern": PATTERN})
]
