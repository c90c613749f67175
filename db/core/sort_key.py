"""A place in a list that is ordered by creation."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SortKey:
    """Where a job stands among all others: by its creation, then by its id."""

    created_at: datetime
    id: str
