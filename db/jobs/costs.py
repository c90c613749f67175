"""What jobs have cost, and what is reserved for those that have not ended."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.core.amounts import readable
from db.core.clock import now
from db.core.errors import SpecRefusedError
from db.core.states import FINAL
from db.jobs.held_time import held_times
from db.jobs.use import use_by_group
from db.problems.specification import COST_EXCEEDED
from db.spec.prices import Price
from db.tables.jobs import Job

NO_TIME = timedelta(0)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def month_of(moment: datetime) -> tuple[datetime, datetime]:
    """Return the begin of a moment's calendar month, in UTC, and that of the next month."""
    begin = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    return begin, datetime(begin.year + begin.month // 12, begin.month % 12 + 1, 1, tzinfo=UTC)


def cost_of(hourly_price: float | None, held: timedelta) -> float:
    """Return the cost of holding a worker for this time; 0 without a price."""
    return (hourly_price or 0.0) * (held / timedelta(hours=1))


def cost_refusal(price: Price, likely_s: float, max_cost: float) -> SpecRefusedError:
    """Return the refusal of a job that will likely take so long that it costs too much."""
    hours, hourly = readable(likely_s / 3600), price.written(price.hourly)
    likely = price.written(price.of(likely_s))
    reason = f"the job will likely cost up to {likely}, for {hours} hours at {hourly} an hour"
    remedy = (
        "Raise max_cost, ask for less (samples, a faster method or preset), or use a cheaper queue."
    )
    return SpecRefusedError("max_cost", max_cost, COST_EXCEEDED.code, reason, remedy)


class CostRepository:
    """Computes costs from the times for which workers held jobs; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def month(self) -> tuple[datetime, datetime]:
        """Return the present month of the database's clock."""
        return month_of(self._session.scalars(select(now())).one())

    def spent(self, key_id: str, since: datetime, until: datetime) -> float:
        """Return what the jobs of a key have cost, deleted ones included.

        The period is of whole days in UTC.
        """
        use = use_by_group(self._session, since, until, key_id).items()
        return sum(group.cost_of(amounts["held_us"]) or 0.0 for group, amounts in use)

    def reserved(self, key_id: str) -> float:
        """Return what the unfinished jobs of a key will likely cost from now on."""
        expected = (
            Job.created_by == key_id,
            Job.status.not_in(FINAL),
            Job.likely_cost.is_not(None),
        )
        query = select(Job.id, Job.likely_cost, Job.hourly_price).where(*expected)
        until = self._session.scalars(select(now())).one()
        times = held_times(self._session, LONG_AGO, until, *expected)
        return sum(
            max((likely or 0.0) - cost_of(price, times.get(job_id, NO_TIME)), 0.0)
            for job_id, likely, price in self._session.execute(query)
        )

    def so_far(self, job: Job) -> float:
        """Return what a job has cost until now; 0 without a price."""
        until = self._session.scalars(select(now())).one()
        times = held_times(self._session, LONG_AGO, until, Job.id == job.id)
        return cost_of(job.hourly_price, times.get(job.id, NO_TIME))

    def likely_left(self, job: Job) -> float:
        """Return what a job will likely cost from now on; 0 if that is not known."""
        return max((job.likely_cost or 0.0) - self.so_far(job), 0.0)

    def require_left(self, job: Job) -> None:
        """Check that a job may cost more than it has cost until now.

        Raises:
            SpecRefusedError: it has cost all that it may.
        """
        if job.max_cost is None or job.price is None or (cost := self.so_far(job)) < job.max_cost:
            return
        reason = f"the job has cost {job.price.written(cost)}"
        remedy = (
            "PATCH max_cost of the job to more than that, then POST to its /retry, which continues "
            "after its last finished block."
        )
        raise SpecRefusedError("max_cost", job.max_cost, COST_EXCEEDED.code, reason, remedy)
