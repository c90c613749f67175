"""The number of jobs in a period, and the time for which workers held them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.core.states import JobState
from db.jobs.costs import cost_of
from db.jobs.held_time import held_times, may_be_held_since, past_times
from db.tables.jobs import Job
from db.tables.past_attempts import PastAttempt


@dataclass
class Use:
    """Numbers of jobs, and the time for which workers held them.

    Attributes:
        jobs: how many were held by a worker, or ended, in the period.
        succeeded, failed: how many of them ended so in the period.
        held: for how long workers held them in the period.
        cost: what this time has cost; None if no job had a price.
    """

    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    held: timedelta = timedelta(0)
    cost: float | None = None

    def add(self, end: JobState | None, held: timedelta, hourly_price: float | None) -> None:
        """Add a job that ended with a status, or has not ended in the period."""
        self.jobs += 1
        self.succeeded += end is JobState.succeeded
        self.failed += end is JobState.failed
        self.held += held
        if hourly_price is not None:
            self.cost = (self.cost or 0.0) + cost_of(hourly_price, held)


@dataclass(frozen=True)
class PeriodUse:
    """The use of a period: in all, by method, by the key that submitted the jobs, and by label.

    Keys are ids, or None for jobs without one; labels are pairs of name and value. The currencies
    are those of the prices of jobs that still exist.
    """

    total: Use = field(default_factory=Use)
    methods: dict[str, Use] = field(default_factory=lambda: defaultdict(Use))
    keys: dict[str | None, Use] = field(default_factory=lambda: defaultdict(Use))
    labels: dict[tuple[str, str], Use] = field(default_factory=lambda: defaultdict(Use))
    currencies: set[str] = field(default_factory=set)


def use_of(session: Session, since: datetime, until: datetime) -> PeriodUse:
    """Return the use from ``since`` until before ``until``, both aware, in UTC.

    A deleted job counts with its time and its cost, but has neither succeeded nor failed, and has
    no labels.
    """
    use = PeriodUse()
    of_period = (may_be_held_since(since), Job.created_at < until)
    held = held_times(session, since, until, Job.created_at < until)
    for job in session.execute(select(*_COLUMNS).where(*of_period)):
        ended = job.finished_at is not None and since <= job.finished_at < until
        time = held.get(job.id, timedelta(0))
        if not ended and not time:
            continue
        use.currencies.update({job.currency} - {None, ""})
        labels = (use.labels[name, str(value)] for name, value in job.labels.items())
        for one in (use.total, use.methods[job.method], use.keys[job.created_by], *labels):
            one.add(job.status if ended else None, time, job.hourly_price)
    _add_past(use, past_times(session, since, until))
    return use


def _add_past(use: PeriodUse, times: list[tuple[PastAttempt, timedelta]]) -> None:
    for _, of_job in groupby(times, key=lambda pair: pair[0].job_id):
        attempts = list(of_job)
        row, held = attempts[0][0], sum((time for _, time in attempts), start=timedelta(0))
        for one in (use.total, use.methods[row.method], use.keys[row.created_by]):
            one.add(None, held, row.hourly_price)


_COLUMNS = (
    *(Job.id, Job.method, Job.created_by, Job.labels, Job.status, Job.finished_at),
    *(Job.hourly_price, Job.currency),
)
