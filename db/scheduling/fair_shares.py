"""Fair shares: among jobs of one priority, API keys alternate, however many jobs each has queued.

The next job is taken from the key whose last claim is the oldest. All jobs without a key count as
jobs of one key.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.core.clock import UTCDateTime
from db.core.states import JobState
from db.tables.access import NO_KEY, LastClaim
from db.tables.jobs import Job


def register_key(session: Session, created_by: str | None) -> None:
    """Insert the key's row in the claim order, if it is missing."""
    row = insert(LastClaim).values(created_by=created_by or NO_KEY, claim_number=0)
    session.execute(row.on_conflict_do_nothing())


def record_claim(session: Session, created_by: str | None) -> None:
    """Move the key to the end of the claim order, because one of its jobs was claimed."""
    latest = select(func.coalesce(func.max(LastClaim.claim_number), 0) + 1).scalar_subquery()
    key = update(LastClaim).where(LastClaim.created_by == (created_by or NO_KEY))
    session.execute(key.values(claim_number=latest).execution_options(synchronize_session=False))


def claim_order(
    session: Session, waiting: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """Yield tuples of conditions, in the order in which to try them to find the next job.

    Each tuple selects the waiting jobs of one priority and one key, except the last tuple for each
    priority: this one selects the jobs of all keys. The tuples are ordered by descending priority,
    then by the claim order of the keys.
    """
    urgent = select(func.max(Job.priority)).where(*waiting)
    priority = session.scalar(urgent)
    while priority is not None:
        peers = (*waiting, Job.priority == priority)
        for key in sorted(_keys(session, peers, 0), key=lambda one: one.rank):
            yield (*peers, Job.created_by == (key.created_by or None))
        yield peers  # jobs that an older version has queued may have a key without a row
        priority = session.scalar(urgent.where(Job.priority < priority))


def count_ahead(session: Session, job: Job, at_most: int | None) -> int:
    """Return how many queued jobs come before the job in its queue.

    Unless ``at_most`` is None, counting stops at that number.
    """
    queued = (Job.status == JobState.queued, Job.queue == job.queue)
    higher = _count(session, (*queued, Job.priority > job.priority), at_most)
    peers = (*queued, Job.priority == job.priority)
    own = _count(session, (*peers, Job.created_by == job.created_by, _is_before(job)), at_most)
    ahead = higher + own
    if at_most is None or ahead < at_most:
        ahead += _count_of_others(session, job, peers, own)
    return ahead if at_most is None else min(ahead, at_most)


def _count_of_others(
    session: Session, job: Job, peers: Sequence[ColumnElement[bool]], own: int
) -> int:
    """Return how many jobs of other keys are claimed before the job.

    ``own`` is the number of jobs of the job's own key that are claimed before it. Keys take turns,
    so up to ``own`` jobs of each other key are claimed before it, too; if that key precedes the
    job's key in the claim order, up to ``own + 1``.
    """
    keys = {one.created_by: one for one in _keys(session, peers, own + 1)}
    row = keys.pop(job.created_by or NO_KEY, None)
    rank = (0, job.created_at, job.id) if row is None else row.rank
    return sum(min(one.jobs, own + (one.rank < rank)) for one in keys.values())


class _KeyRank(NamedTuple):
    """A key with queued jobs.

    Attributes:
        created_by: the id of the key; ``NO_KEY`` for all jobs without a key.
        jobs: the number of its queued jobs; they are counted only up to a limit.
        rank: its rank in the claim order; the key with the lowest rank is next.
    """

    created_by: str
    jobs: int
    rank: tuple[int, datetime, str]


def _keys(session: Session, peers: Sequence[ColumnElement[bool]], enough: int) -> list[_KeyRank]:
    waits = exists(Job.id).where(*peers, Job.created_by == LastClaim.created_by)
    turns = select(LastClaim.created_by, LastClaim.claim_number).where(
        or_(waits, LastClaim.created_by == NO_KEY)
    )
    found: list[_KeyRank] = []
    for key, turn in session.execute(turns).all():
        own = (*peers, Job.created_by == (key or None))
        first = select(Job.created_at, Job.id).where(*own).order_by(Job.created_at, Job.id)
        if (oldest := session.execute(first.limit(1)).one_or_none()) is not None:
            found.append(_KeyRank(key, _count(session, own, enough), (turn, *oldest)))
    return found


def _count(session: Session, where: Sequence[ColumnElement[bool]], at_most: int | None) -> int:
    some = select(Job.id).where(*where).limit(at_most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _is_before(job: Job) -> ColumnElement[bool]:
    this = tuple_(literal(job.created_at, UTCDateTime()), literal(job.id))
    earlier: ColumnElement[bool] = tuple_(Job.created_at, Job.id) < this
    return earlier
