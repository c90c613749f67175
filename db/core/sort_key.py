"""The sort key of lists that are ordered by creation."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SortKey:
    """A row's position in a list, by creation time and then by id; pages start after one."""

    created_at: datetime
    id: str
