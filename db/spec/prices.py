"""What an hour of a worker costs, by queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from db.core.amounts import readable

ANY_QUEUE = "default"
"""The name that stands for all queues without a price of their own."""


@dataclass(frozen=True)
class Price:
    """The price of a worker.

    Attributes:
        hourly: the price of an hour.
        currency: the currency, for display only.
    """

    hourly: float
    currency: str

    def of(self, seconds: float) -> float:
        """Return the cost of holding a worker for this time."""
        return self.hourly * seconds / 3600

    def written(self, amount: float) -> str:
        """Return an amount and the currency."""
        return f"{readable(amount)} {self.currency}"


@dataclass(frozen=True)
class Prices:
    """The prices of all queues; without any, nothing has a cost."""

    hourly: Mapping[str, float] = field(default_factory=dict)
    currency: str = ""

    def of(self, queue: str) -> Price | None:
        """Return the price of a queue's workers; None if it has none."""
        hourly = self.hourly.get(queue, self.hourly.get(ANY_QUEUE))
        return None if hourly is None else Price(hourly, self.currency)
