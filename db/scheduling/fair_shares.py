"""Fair shares: among jobs of one priority, API keys alternate, however many jobs each has queued.

The next job is taken from the key whose last claim is the oldest. All jobs without a key count as
jobs of one key.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Table,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.core.clock import UTCDateTime
from db.core.states import JobState
from db.scheduling.transient_retries import is_due
from db.tables.access import NO_KEY, LastClaim
from db.tables.jobs import Job

Conditions = tuple[ColumnElement[bool], ...]
"""Conditions that are built once; what varies are the values of their parameters."""
Values = dict[str, Any]


def register_key(session: Session, created_by: str | None) -> None:
    """Insert the key's row in the claim order, if it is missing."""
    session.connection().execute(_REGISTER_KEY, {"key": created_by or NO_KEY})


def record_claim(session: Session, created_by: str | None) -> None:
    """Move the key to the end of the claim order, because one of its jobs was claimed."""
    session.connection().execute(_RECORD_CLAIM, {"key": created_by or NO_KEY})


_TURNS = cast("Table", LastClaim.__table__)
_THIS = _TURNS.c.created_by == bindparam("key")
_REGISTER_KEY = insert(_TURNS).values(created_by=bindparam("key"), turn=0).on_conflict_do_nothing()
_LATEST = select(func.coalesce(func.max(_TURNS.c.turn), 0) + 1).scalar_subquery()
_RECORD_CLAIM = update(_TURNS).where(_THIS).values(turn=_LATEST)


def claim_order(
    session: Session, waiting: Conditions, given: Values
) -> Iterator[tuple[Conditions, Values]]:
    """Yield conditions and the values of their parameters, in the order in which to try them.

    ``given`` has the values of the parameters of ``waiting``.

    Each yield selects the waiting jobs of one priority and one key, except the last one for each
    priority: this one selects the jobs of all keys. They are ordered by descending priority, then
    by the claim order of the keys.
    """
    peers = _peers(waiting)
    priority = session.connection().scalar(_highest_priority(waiting), given)
    while priority is not None:
        values = given | {"priority": priority}
        for key in sorted(_keys(session, peers, values, 0), key=lambda row: row.rank):
            yield _of_key(peers, key.created_by), values | {"own_key": key.created_by}
        yield peers, values  # jobs that an older version has queued may have a key without a row
        priority = session.connection().scalar(_highest_priority((*waiting, _IS_LOWER)), values)


def count_ahead(session: Session, job: Job, at_most: int | None) -> int:
    """Return how many queued jobs that are due come before the job in its queue.

    Unless ``at_most`` is None, counting stops at that number.
    """
    key = job.created_by or NO_KEY
    values = {"queue": job.queue, "priority": job.priority, "own_key": key}
    values |= {"own_created_at": job.created_at, "own_id": job.id}
    higher = _count(session, (*_QUEUED, _IS_HIGHER), values, at_most)
    own = _count(session, (*_of_key(_peers(_QUEUED), key), _IS_BEFORE), values, at_most)
    ahead = higher + own
    if at_most is None or ahead < at_most:
        ahead += _count_of_others(session, job, values, own)
    return ahead if at_most is None else min(ahead, at_most)


def _count_of_others(session: Session, job: Job, values: Values, own: int) -> int:
    """Return how many jobs of other keys are claimed before the job.

    ``own`` is the number of jobs of the job's own key that are claimed before it. Keys take turns,
    so up to ``own`` jobs of each other key are claimed before it, too; if that key precedes the
    job's key in the claim order, up to ``own + 1``.
    """
    keys = {row.created_by: row for row in _keys(session, _peers(_QUEUED), values, own + 1)}
    row = keys.pop(job.created_by or NO_KEY, None)
    rank = (0, job.created_at, job.id) if row is None else row.rank
    return sum(min(key.jobs, own + (key.rank < rank)) for key in keys.values())


_QUEUED: Conditions = (Job.status == JobState.queued, Job.queue == bindparam("queue"), is_due())
_IS_LOWER: ColumnElement[bool] = Job.priority < bindparam("priority")
_IS_HIGHER: ColumnElement[bool] = Job.priority > bindparam("priority")
_IS_BEFORE: ColumnElement[bool] = tuple_(Job.created_at, Job.id) < tuple_(
    bindparam("own_created_at", type_=UTCDateTime()), bindparam("own_id", type_=String())
)


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


def _keys(session: Session, peers: Conditions, values: Values, enough: int) -> list[_KeyRank]:
    keys: list[_KeyRank] = []
    for key, turn in session.connection().execute(_turns(peers), values).all():
        own, of_key = _of_key(peers, key), values | {"own_key": key}
        if (oldest := session.connection().execute(_oldest(own), of_key).one_or_none()) is not None:
            jobs = _count(session, own, of_key, enough) if enough else 0
            keys.append(_KeyRank(key, jobs, (turn, *oldest)))
    return keys


def _count(session: Session, where: Conditions, values: Values, at_most: int | None) -> int:
    return session.scalar(_counting(where, at_most is not None), values | {"most": at_most}) or 0


@lru_cache(maxsize=64)
def _peers(waiting: Conditions) -> Conditions:
    return *waiting, Job.priority == bindparam("priority")


@lru_cache(maxsize=64)
def _with_condition(where: Conditions, *, has_key: bool) -> Conditions:
    is_own = Job.created_by == bindparam("own_key") if has_key else Job.created_by.is_(None)
    return *where, is_own


def _of_key(where: Conditions, key: str) -> Conditions:
    return _with_condition(where, has_key=key != NO_KEY)


@lru_cache(maxsize=64)
def _highest_priority(waiting: Conditions) -> Select[int | None]:
    return select(func.max(Job.priority)).where(*waiting)


@lru_cache(maxsize=64)
def _turns(peers: Conditions) -> Select[str, int]:
    waits = exists(Job.id).where(*peers, Job.created_by == LastClaim.created_by)
    turns = select(LastClaim.created_by, LastClaim.claim_number)
    return turns.where(or_(waits, LastClaim.created_by == NO_KEY))


@lru_cache(maxsize=64)
def _oldest(own: Conditions) -> Select[datetime, str]:
    first = select(Job.created_at, Job.id).where(*own)
    return first.order_by(Job.created_at, Job.id).limit(1)


@lru_cache(maxsize=64)
def _counting(where: Conditions, is_limited: bool) -> Select[int]:
    some = select(Job.id).where(*where)
    some = some.limit(bindparam("most")) if is_limited else some
    return select(func.count()).select_from(some.subquery())
