"""The daily sums of use, derived from the events of jobs, and changed together with them.

They count every time for which a worker held a job, once it has ended. What workers hold now is
added where the sums are read.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, event, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.core.states import FINAL, JobState
from db.events.history import Change, Span, held_spans
from db.tables.daily_use import NO_DAY, NO_PRICE, DailyUse
from db.tables.jobs import Job, JobEvent
from db.tables.past_attempts import PastAttempt

BATCH = 500
MICROSECOND = timedelta(microseconds=1)
AMOUNTS = ("jobs", "succeeded", "failed", "held_us")
COUNTED = (Job.id, Job.created_by, Job.method, Job.hourly_price, Job.currency, Job.labels)
"""The columns by which a job is counted."""


class Group(NamedTuple):
    """The jobs that are summed together: those of a key, method and price, or of a label."""

    created_by: str
    method: str
    label: str
    value: str
    hourly_price: float
    currency: str

    def cost_of(self, held_us: int) -> float | None:
        """Return the cost of holding a worker for this time; None without a price."""
        if self.hourly_price == NO_PRICE:
            return None
        return self.hourly_price * (held_us * MICROSECOND / timedelta(hours=1))


class Sum(NamedTuple):
    """One number in the table of sums."""

    day: date
    previous: date
    group: Group
    amount: str


Sums = Counter[Sum]
Counted = Job | Row[*tuple[Any, ...]]
"""A job, or a row with some of its columns; of a deleted one, the row of an attempt at it."""


def groups_of(job: Counted, labels: Mapping[str, object] | None = None) -> list[Group]:
    """Return the groups in which a job is counted; without labels, as a deleted one.

    The currency of a deleted one is not known.
    """
    currency = "" if labels is None else job.currency or ""
    price = (NO_PRICE if job.hourly_price is None else job.hourly_price, currency)
    named = ((name, str(value)) for name, value in (labels or {}).items())
    of_labels = [Group("", "", name, value, *price) for name, value in named]
    return [Group(job.created_by or "", job.method, "", "", *price), *of_labels]


def sums_of(
    groups: Sequence[Group], changes: Sequence[Change], until: datetime | None = None
) -> Sums:
    """Return what a job adds to the sums; the time that has not ended if ``until`` ends it."""
    end = changes[-1] if changes and changes[-1][1] in FINAL else None
    return sums_of_spans(groups, held_spans(changes, until), end)


def sums_of_spans(
    groups: Sequence[Group], spans: Iterable[Span], end: Change | None = None
) -> Sums:
    """Return what a job adds to the sums that was held in these times and has ended so."""
    held: Counter[date] = Counter()
    for span in spans:
        held.update(dict(_by_day(span)))
    ended = end[0].date() if end else None
    days = sorted(held.keys() | ({ended} if ended else set()))
    sums: Sums = Counter()
    for previous, day in zip((NO_DAY, *days), days, strict=False):
        status = end[1] if end and day == ended else None
        amounts = {
            "jobs": 1,
            "succeeded": int(status is JobState.succeeded),
            "failed": int(status is JobState.failed),
            "held_us": held[day],
        }
        for group in groups:
            sums.update({Sum(day, previous, group, name): n for name, n in amounts.items() if n})
    return sums


def _by_day(span: Span) -> Iterator[tuple[date, int]]:
    start, end = span
    while start < end:
        midnight = datetime.combine(start.date() + timedelta(days=1), time(), UTC)
        yield start.date(), (min(end, midnight) - start) // MICROSECOND
        start = midnight


def count_status(session: Session, job: Job | Row[*tuple[Any, ...]]) -> None:
    """Count what the last change of a job's status adds to the sums, or takes away."""
    changes = changes_of(session.connection(), Job.id == job.id)[job.id]
    groups = groups_of(job, job.labels)
    count(session, sums_of(groups, changes), sums_of(groups, changes[:-1]))


def count_labels(session: Session, job: Job, former: Mapping[str, object]) -> None:
    """Count a job that now has other labels."""
    changes = changes_of(session.connection(), Job.id == job.id).get(job.id, [])
    added, removed = (sums_of(groups_of(job, labels), changes) for labels in (job.labels, former))
    count(session, added, removed)


def count(session: Session, added: Sums, removed: Sums) -> None:
    """Change the sums at the end of the transaction.

    Transactions of many jobs change the same rows. If these were locked before others are, two
    transactions could each wait for a lock of the other, and all would wait longer.
    """
    pending: Sums = session.info.setdefault(_PENDING, Counter())
    pending.update(added)
    pending.subtract(removed)


def changes_of(connection: Connection, *where: ColumnElement[bool]) -> dict[str, list[Change]]:
    """Return the changes of status of the jobs that meet all conditions, by the job's id."""
    query = select(JobEvent.job_id, JobEvent.at, JobEvent.status).join(Job)
    query = query.where(*where, JobEvent.kind == "status")
    rows = connection.execute(query.order_by(JobEvent.job_id, JobEvent.seq))
    return {
        job_id: [(at, status) for _, at, status in some]
        for job_id, some in groupby(rows, attrgetter("job_id"))
    }


def add_sums(connection: Connection, sums: Sums) -> None:
    """Add to the stored sums, whose rows are locked in one order until the transaction ends."""
    rows: dict[tuple[Any, ...], dict[str, int]] = {}
    for (day, previous, group, amount), number in sums.items():
        if number:
            rows.setdefault((day, previous, *group), dict.fromkeys(AMOUNTS, 0))[amount] = number
    ordered = (dict(zip(_KEYS, key, strict=True)) | rows[key] for key in sorted(rows))
    while some := list(islice(ordered, BATCH)):
        connection.execute(_ADD, some)


def correction(connection: Connection) -> Sums:
    """Return what the stored sums lack, compared with the rows that a transaction sees."""
    sums, last = Counter[Sum](), ""
    while jobs := connection.execute(_JOBS, {"last": last}).all():
        changes = changes_of(connection, Job.id.in_([job.id for job in jobs]))
        for job in jobs:
            groups = groups_of(job, job.labels)
            sums.update(sums_of(groups, changes.get(job.id, [])))
        last = jobs[-1].id
    past = connection.execute(_PAST.execution_options(yield_per=BATCH))
    for _, rows in groupby(past, attrgetter("job_id")):
        attempts = list(rows)
        spans = [(attempt.started_at, attempt.ended_at) for attempt in attempts]
        sums.update(sums_of_spans(groups_of(attempts[0]), spans))
    for row in connection.execute(_STORED):
        (day, previous, *group), amounts = row[: len(_KEYS)], row[len(_KEYS) :]
        for name, number in zip(AMOUNTS, amounts, strict=True):
            sums[Sum(day, previous, Group(*group), name)] -= number
    return Counter({key: number for key, number in sums.items() if number})


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    if (sums := session.info.pop(_PENDING, None)) is not None:
        add_sums(session.connection(), sums)


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_PENDING, None)


_PENDING = "daily_use"
_TABLE = cast("Table", DailyUse.__table__)
_KEYS = ("day", "previous", *Group._fields)
_INSERT = insert(_TABLE)
_ADD = _INSERT.on_conflict_do_update(
    index_elements=_KEYS,
    set_={name: _TABLE.c[name] + _INSERT.excluded[name] for name in AMOUNTS},
)
# A migration reads them as well, so that their columns are named: there may be more later.
_JOBS = select(*COUNTED).where(Job.id > bindparam("last")).order_by(Job.id).limit(BATCH)
_PAST = select(
    *(PastAttempt.job_id, PastAttempt.created_by, PastAttempt.method, PastAttempt.hourly_price),
    *(PastAttempt.started_at, PastAttempt.ended_at),
).order_by(PastAttempt.job_id, PastAttempt.number)
_STORED = select(*(_TABLE.c[name] for name in (*_KEYS, *AMOUNTS)))
