"""What a job will likely cost, compared with the bound that its request gives."""

from dataclasses import dataclass
from typing import Any, Self

from api.schemas.requests import JobRequest
from api.services.service import Service
from db.core.errors import SpecRefusedError
from db.jobs.costs import cost_refusal
from db.jobs.quotas import QuotaRepository
from db.spec.descriptions.option import UNFIT
from db.spec.prices import Price

UNESTIMATED = (
    "The cost was not estimated when the job was submitted. If it has max_cost, it stops after the "
    "block with which it has cost more."
)


@dataclass(frozen=True)
class CostCheck:
    """The bounds of the cost of a request's jobs.

    Attributes:
        price: the price of the queue's workers; None without one.
        is_needed: whether a bound or a budget needs to know what the jobs will likely cost.
    """

    price: Price | None
    max_cost: float | None
    is_needed: bool

    @classmethod
    def of(cls, service: Service, body: JobRequest, key_id: str | None) -> Self:
        """Return the check of a request of an API key.

        Raises:
            SpecRefusedError: the request bounds the cost, and its queue has no price.
        """
        price = service.prices.of(body.queue)
        require_price(price, body.max_cost, body.queue)
        if price is None:
            return cls(None, None, is_needed=False)
        with service.sessions() as session:
            has_budget = QuotaRepository(session).has_budget(key_id)
        return cls(price, body.max_cost, is_needed=has_budget or body.max_cost is not None)

    def likely_cost(self, estimate: dict[str, Any] | None) -> float | None:
        """Return the cost that a job likely stays below; None without a price or an estimate.

        Raises:
            SpecRefusedError: it is above the job's bound.
        """
        seconds = (estimate or {}).get("seconds")
        if self.price is None or seconds is None:
            return None
        likely = self.price.of(seconds["p90"])
        if self.max_cost is not None and likely > self.max_cost:
            raise cost_refusal(self.price, seconds["p90"], self.max_cost)
        return likely


def require_price(price: Price | None, max_cost: float | None, queue: str) -> None:
    """Refuse a bound of the cost of a job that has none.

    Raises:
        SpecRefusedError: there is a bound, and no price.
    """
    if price is None and max_cost is not None:
        reason = f"queue {queue} has no price, so its jobs have no cost"
        remedy = "Leave max_cost out, or use a queue with a price; GET /v1/queues has them."
        raise SpecRefusedError("max_cost", max_cost, UNFIT, reason, remedy)


@dataclass(frozen=True)
class CheckedJob:
    """What the checks of a request have found.

    Attributes:
        warnings: texts for the caller.
        price: the price of the queue's workers.
        likely_cost: the cost that the job likely stays below; None if not known.
    """

    warnings: list[str]
    price: Price | None = None
    likely_cost: float | None = None
