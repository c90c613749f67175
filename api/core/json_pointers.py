"""JSON pointers (RFC 6901)."""

import re
from typing import Annotated

from pydantic import JsonValue, StringConstraints

Pointer = Annotated[
    str, StringConstraints(max_length=256, pattern=r"^(/([^~/\x00-\x1f\x7f]|~[01])*)*$")
]
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class PointerNotFoundError(LookupError):
    """The document has no value at this pointer."""


def escaped(name: str) -> str:
    """Return a name as a part of a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def resolve(document: JsonValue, pointer: str) -> JsonValue:
    """Return the value at a pointer.

    Raises:
        PointerNotFoundError: the document has no value at this pointer.
    """
    for written in pointer.split("/")[1:]:
        name = written.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and _INDEX.fullmatch(name) and int(name) < len(document):
            document = document[int(name)]
        else:
            raise PointerNotFoundError(pointer)
    return document
