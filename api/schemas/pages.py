"""The schema of one page of a list."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list; pass its ``next_cursor`` to request the next page."""

    data: list[Item]
    next_cursor: str | None = Field(
        default=None,
        description="The value of `cursor` for the next page, or of `after` if the list has no "
        "`cursor`.",
    )
    has_more: bool = False

    def model_post_init(self, _: object) -> None:
        self.has_more = self.next_cursor is not None
