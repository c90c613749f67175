"""A part of any list."""

from typing import Generic, TypeVar

from pydantic import BaseModel

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Part of a list; ``next_cursor`` asks for the next part."""

    data: list[Item]
    next_cursor: str | None = None
    has_more: bool = False
