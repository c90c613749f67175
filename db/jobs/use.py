"""The number of jobs in a period, and the time for which workers held them, from daily sums."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, true
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import HELD
from db.events.transitions import is_in
from db.events.use_sums import (
    AMOUNTS,
    COUNTED,
    MICROSECOND,
    Group,
    changes_of,
    groups_of,
    sums_of,
)
from db.tables.daily_use import DailyUse
from db.tables.jobs import Job

UseByGroup = dict[Group, Counter[str]]
"""The amounts of each group, by their names in the table of sums."""


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

    def add(self, group: Group, amounts: Counter[str]) -> None:
        """Add other jobs."""
        self.jobs += amounts["jobs"]
        self.succeeded += amounts["succeeded"]
        self.failed += amounts["failed"]
        self.held += amounts["held_us"] * MICROSECOND
        if (cost := group.cost_of(amounts["held_us"])) is not None:
            self.cost = (self.cost or 0.0) + cost


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
    """Return the use from ``since`` until before ``until``, both the begin of a day in UTC.

    A deleted job counts with its time and its cost, but has neither succeeded nor failed, and has
    no labels.
    """
    use = PeriodUse()
    for group, amounts in use_by_group(session, since, until).items():
        if group.label:
            use.labels[group.label, group.value].add(group, amounts)
            continue
        use.currencies.update({group.currency} - {""})
        for one in (use.total, use.methods[group.method], use.keys[group.created_by or None]):
            one.add(group, amounts)
    return use


def use_by_group(
    session: Session, since: datetime, until: datetime, key_id: str | None = None
) -> UseByGroup:
    """Return the use from ``since`` until before ``until``, both the begin of a day in UTC.

    With the id of a key, it is that of this key's jobs, and has no labels.
    """
    columns = [getattr(DailyUse, name) for name in Group._fields]
    counted = case((DailyUse.previous < since.date(), DailyUse.jobs), else_=0)
    query = select(
        *columns, *map(func.sum, (counted, DailyUse.succeeded, DailyUse.failed, DailyUse.held_us))
    ).where(DailyUse.day >= since.date(), DailyUse.day < until.date())
    if key_id is not None:
        query = query.where(DailyUse.created_by == key_id)
    use: UseByGroup = defaultdict(Counter)
    for row in session.execute(query.group_by(*columns)):
        group, sums = Group(*row[: len(columns)]), map(int, row[len(columns) :])
        use[group].update(dict(zip(AMOUNTS, sums, strict=True)))
    _add_held(session, since, until, key_id, use)
    return {group: amounts for group, amounts in use.items() if amounts["jobs"]}


def _add_held(
    session: Session, since: datetime, until: datetime, key_id: str | None, use: UseByGroup
) -> None:
    """Add what the jobs that workers hold now have used in attempts that have not ended."""
    held = (is_in(*HELD), true() if key_id is None else Job.created_by == key_id)
    jobs = session.execute(select(*COUNTED).where(*held)).all()
    end = min(session.scalars(select(now())).one(), until)
    changes = changes_of(session.connection(), *held)
    for job in jobs:
        groups = groups_of(job, job.labels if key_id is None else {})
        of_job = changes.get(job.id, [])
        sums = sums_of(groups, of_job, end)
        sums.subtract(sums_of(groups, of_job))
        for (day, previous, group, name), number in sums.items():
            is_counted = name != "jobs" or previous < since.date()
            if since.date() <= day < until.date() and is_counted:
                use[group][name] += number
