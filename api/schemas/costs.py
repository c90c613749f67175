"""Schemas of costs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from db.events.history import AttemptSpan
from db.spec.prices import Price


def rounded(amount: float) -> float:
    """Return an amount to a hundredth of a cent, so that small jobs have a cost, too."""
    return round(amount, 4)


class Cost(BaseModel):
    """An amount of money."""

    amount: float
    currency: str
    hourly_price: float = Field(description="The price of an hour of a worker of the job's queue.")

    @classmethod
    def likely(cls, amount: float | None, price: Price | None) -> Self | None:
        if amount is None or price is None:
            return None
        return cls(amount=rounded(amount), currency=price.currency, hourly_price=price.hourly)

    @classmethod
    def so_far(
        cls, attempts: Iterable[AttemptSpan], price: Price | None, until: datetime
    ) -> Self | None:
        """Return what attempts have cost; one that has not ended counts until ``until``."""
        times = ((one.ended_at or max(until, one.started_at)) - one.started_at for one in attempts)
        seconds = sum(time.total_seconds() for time in times)
        return cls.likely(None if price is None else price.of(seconds), price)


class LikelyCost(BaseModel):
    """What a job will cost: about `p50`, and likely less than `p90`."""

    p50: float
    p90: float
    currency: str
    hourly_price: float = Field(description="The price of an hour of a worker of the queue.")

    @classmethod
    def of(cls, seconds: dict[str, float] | None, price: Price | None) -> Self | None:
        """Return the cost of a predicted time; None without a time or a price."""
        if seconds is None or price is None:
            return None
        p50, p90 = (rounded(price.of(seconds[name])) for name in ("p50", "p90"))
        return cls(p50=p50, p90=p90, currency=price.currency, hourly_price=price.hourly)
