"""A part of any list."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Part of a list; ``next_cursor`` asks for the next part."""

    data: list[Item]
    next_cursor: str | None = Field(
        default=None,
        description="What the next part is asked for with: as `cursor`, or as `after` where a list "
        "has no `cursor`.",
    )
    has_more: bool = False

    def model_post_init(self, _: object) -> None:
        """Tell whether there is a next part."""
        self.has_more = self.next_cursor is not None
