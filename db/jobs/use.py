"""The number of jobs in a period, and the time for which workers held them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import JobState
from db.jobs.quotas import held_time, transitions
from db.tables.jobs import Job, JobEvent


@dataclass
class Use:
    """Numbers of jobs, and the time for which workers held them.

    Attributes:
        jobs: how many were held by a worker, or ended, in the period.
        succeeded, failed: how many of them ended so in the period.
        held: for how long workers held them in the period.
    """

    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    held: timedelta = timedelta(0)

    def add(self, end: JobState | None, held: timedelta) -> None:
        """Add a job that ended with a status, or has not ended in the period."""
        self.jobs += 1
        self.succeeded += end is JobState.succeeded
        self.failed += end is JobState.failed
        self.held += held


@dataclass(frozen=True)
class PeriodUse:
    """The use of a period: in all, by method, by the key that submitted the jobs, and by label.

    Keys are ids, or None for jobs without one; labels are pairs of name and value.
    """

    total: Use = field(default_factory=Use)
    methods: dict[str, Use] = field(default_factory=lambda: defaultdict(Use))
    keys: dict[str | None, Use] = field(default_factory=lambda: defaultdict(Use))
    labels: dict[tuple[str, str], Use] = field(default_factory=lambda: defaultdict(Use))


def use_of(session: Session, since: datetime, until: datetime) -> PeriodUse:
    """Return the use from ``since`` until before ``until``, both aware, in UTC.

    Jobs that have been deleted, and transitions that are no longer kept, are missing.
    """
    use, present = PeriodUse(), session.scalars(select(now())).one()
    of_period = (Job.updated_at >= since, Job.created_at < until)
    changes = session.execute(transitions(*of_period, JobEvent.at < until))
    held = {
        job_id: held_time(((row.at, row.status) for row in rows), since, min(until, present))
        for job_id, rows in groupby(changes, key=lambda row: row[0])
    }
    columns = (Job.id, Job.method, Job.created_by, Job.labels, Job.status, Job.finished_at)
    for job in session.execute(select(*columns).where(*of_period)):
        ended = job.finished_at is not None and since <= job.finished_at < until
        time = held.get(job.id, timedelta(0))
        if not ended and not time:
            continue
        labels = (use.labels[name, str(value)] for name, value in job.labels.items())
        for one in (use.total, use.methods[job.method], use.keys[job.created_by], *labels):
            one.add(job.status if ended else None, time)
    return use
