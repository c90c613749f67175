"""The sort keys of lists; a page starts after a sort key."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SortMetric(StrEnum):
    """The measured columns by which jobs can be sorted."""

    reduction = "reduction"
    perplexity = "perplexity"
    perplexity_ratio = "perplexity_ratio"
    accuracy = "accuracy"
    speed = "speed"
    weights_bytes = "weights_bytes"
    seconds = "seconds"
    size_bytes = "size_bytes"


ORDERS = {
    "-created": "Newest first",
    "created": "Oldest first",
    "-reduction": "Highest reduction",
    "reduction": "Lowest reduction",
    "perplexity": "Lowest perplexity",
    "-perplexity": "Highest perplexity",
    "perplexity_ratio": "Lowest perplexity ratio",
    "-perplexity_ratio": "Highest perplexity ratio",
    "-accuracy": "Highest accuracy",
    "accuracy": "Lowest accuracy",
    "-speed": "Fastest model",
    "speed": "Slowest model",
    "weights_bytes": "Smallest weights",
    "-weights_bytes": "Largest weights",
    "seconds": "Shortest time",
    "-seconds": "Longest time",
    "size_bytes": "Smallest files",
    "-size_bytes": "Largest files",
}
"""The orders of a list of jobs: by time or by a metric, ascending, or descending after ``-``.

Each has the words for it on the page.
"""


@dataclass(frozen=True)
class SortKey:
    """A row's position in a list, by creation time and then by id."""

    created_at: datetime
    id: str


@dataclass(frozen=True)
class MetricKey:
    """A job's position in a list, by a metric and then by id."""

    value: float
    id: str
