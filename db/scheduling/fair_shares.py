"""Whose job is next: within a priority the keys take turns, however many jobs each has queued.

The key whose last job was taken longest ago is next. Jobs without a key count as those of one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.core.clock import UTCDateTime
from db.core.states import JobState
from db.tables.access import NO_KEY, KeyTurn
from db.tables.jobs import Job


def join_turns(session: Session, created_by: str | None) -> None:
    """Let a key, or nobody's, take turns from now on."""
    row = insert(KeyTurn).values(created_by=created_by or NO_KEY, turn=0)
    session.execute(row.on_conflict_do_nothing())


def note_turn(session: Session, created_by: str | None) -> None:
    """Put a key whose job was taken behind all others."""
    latest = select(func.coalesce(func.max(KeyTurn.turn), 0) + 1).scalar_subquery()
    mine = update(KeyTurn).where(KeyTurn.created_by == (created_by or NO_KEY))
    session.execute(mine.values(turn=latest).execution_options(synchronize_session=False))


def in_turn(
    session: Session, waiting: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """Yield what the jobs that are next have in common: priority and key, the first ones first."""
    urgent = select(func.max(Job.priority)).where(*waiting)
    priority = session.scalar(urgent)
    while priority is not None:
        peers = (*waiting, Job.priority == priority)
        for key in sorted(_keys(session, peers, 0), key=lambda one: one.place):
            yield (*peers, Job.created_by == (key.created_by or None))
        yield peers  # of a key that takes no turns yet, as an older version has queued them
        priority = session.scalar(urgent.where(Job.priority < priority))


def count_ahead(session: Session, job: Job, at_most: int | None) -> int:
    """Return how many jobs of its queue are taken before a waiting one, as it looks now."""
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
    """Return how many jobs of other keys are taken before one whose key has ``own`` before it.

    A key that is next before the job's own takes one turn more than that one has had.
    """
    keys = {one.created_by: one for one in _keys(session, peers, own + 1)}
    mine = keys.pop(job.created_by or NO_KEY, None)
    place = (0, job.created_at, job.id) if mine is None else mine.place
    return sum(min(one.jobs, own + (one.place < place)) for one in keys.values())


class _Key(NamedTuple):
    """A key that has waiting jobs: as many as were counted, and when it is next."""

    created_by: str
    jobs: int
    place: tuple[int, datetime, str]


def _keys(session: Session, peers: Sequence[ColumnElement[bool]], enough: int) -> list[_Key]:
    waits = exists(Job.id).where(*peers, Job.created_by == KeyTurn.created_by)
    turns = select(KeyTurn.created_by, KeyTurn.turn).where(or_(waits, KeyTurn.created_by == NO_KEY))
    found: list[_Key] = []
    for key, turn in session.execute(turns).all():
        own = (*peers, Job.created_by == (key or None))
        first = select(Job.created_at, Job.id).where(*own).order_by(Job.created_at, Job.id)
        if (oldest := session.execute(first.limit(1)).one_or_none()) is not None:
            found.append(_Key(key, _count(session, own, enough), (turn, *oldest)))
    return found


def _count(session: Session, where: Sequence[ColumnElement[bool]], at_most: int | None) -> int:
    some = select(Job.id).where(*where).limit(at_most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _is_before(job: Job) -> ColumnElement[bool]:
    mine = tuple_(literal(job.created_at, UTCDateTime()), literal(job.id))
    earlier: ColumnElement[bool] = tuple_(Job.created_at, Job.id) < mine
    return earlier
