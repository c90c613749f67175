"""The rules by which a worker counts as lost, and by which a job with lost workers fails."""

from datetime import timedelta
from functools import lru_cache

from sqlalchemy import ColumnElement, bindparam, case, exists, or_, select
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.states import JobState, Phase
from db.events.transitions import is_in
from db.scheduling.workers import SILENT_AFTER
from db.tables.base import Document
from db.tables.jobs import BlockReport, Job, JobEvent, Worker

MAX_CRASHES = 3
"""A job fails when it has lost this many workers without finishing a further block or step.

If more than `CRASHES_WITHIN` passes between two losses, the count starts again.
"""
CRASHES_WITHIN = timedelta(days=1)
MAX_STARVED_ATTEMPTS = 10
"""From the next attempt on, `starved` is no excuse: whatever the cause, the job cannot go on."""
RECOVERY_STAGES = ("teacher", "training")
"""The stages of a recovery in the order in which they run, except its evaluations."""


@lru_cache(maxsize=16)
def lost(*states: JobState) -> ColumnElement[bool]:
    """Return SQL for whether the job is in one of the states and its lease has expired.

    A lease that begins in the future was granted before the clock was set back. It counts as
    expired, because its age is unknown.
    """
    return is_in(*states) & or_(Job.lease_until < now(), was_set_back(Job.leased_at))


def strikes() -> ColumnElement[int]:
    """Return SQL for the new number of strikes of a job that has just lost its worker.

    Strikes are the losses that count towards `MAX_CRASHES`. The new number is one more than the old
    one, or 1 if the previous loss was more than `CRASHES_WITHIN` ago.
    """
    return case((Job.struck_at < now(-CRASHES_WITHIN), 1), else_=Job.strikes + 1)


def starved() -> ColumnElement[bool]:
    """Return SQL for whether a job's process still runs, but was too slow to renew its lease.

    That is so if the worker still sends heartbeats, because a worker that sees its process end
    releases the job at once. On a machine that is busy for so long, a job may lose its lease before
    its first block; a process that has finished a block since its claim is not starved.
    """
    recent = Worker.heartbeat_at.between(now(-SILENT_AFTER), now(SILENT_AFTER))
    has_live_worker = exists().where(Worker.job_id == Job.id, recent).correlate(Job)
    is_young = Job.block_index.is_(None) & (Job.attempt <= MAX_STARVED_ATTEMPTS)
    return is_young & has_live_worker


def is_repeated(session: Session, job_id: str, attempt: int, index: int) -> bool:
    """Return whether an earlier attempt has already finished this block or a later one."""
    values = {"job": job_id, "own": attempt, "own_index": index}
    return session.connection().scalar(_REPEATED, values) is not None


_REPEATED = (
    select(BlockReport.index)
    .where(BlockReport.job_id == bindparam("job"), BlockReport.attempt < bindparam("own"))
    .where(BlockReport.index >= bindparam("own_index"))
    .limit(1)
)


def is_step_repeated(session: Session, job_id: str, attempt: int, recovery: Document) -> bool:
    """Return whether an earlier attempt has done this step of a recovery, or a later step.

    The steps of an evaluation always count as repeated.
    """
    if recovery["stage"] not in RECOVERY_STAGES:
        return True
    earlier = (JobEvent.job_id == job_id, JobEvent.attempt < attempt)
    reported = (*earlier, JobEvent.kind == "progress", JobEvent.phase == Phase.recovering)
    steps = (data["recovery"] for data in session.scalars(select(JobEvent.data).where(*reported)))
    places = (_place(step) for step in steps if step["stage"] in RECOVERY_STAGES)
    return any(place >= _place(recovery) for place in places)


def is_gradual_step_repeated(session: Session, job_id: str, attempt: int, data: Document) -> bool:
    """Return whether an earlier attempt has come as far in the steps of a gradual job.

    ``data`` is that of a ``progress`` event. The evaluations of a recovery always count as
    repeated.
    """
    if (reached := _place_in_steps(data)) is None:
        return True
    earlier = (JobEvent.job_id == job_id, JobEvent.attempt < attempt, JobEvent.kind == "progress")
    places = map(_place_in_steps, session.scalars(select(JobEvent.data).where(*earlier)))
    return any(place >= reached for place in places if place is not None)


def _place(recovery: Document) -> tuple[int, int]:
    return RECOVERY_STAGES.index(recovery["stage"]), int(recovery["step"])


def _place_in_steps(data: Document) -> tuple[int, int, int] | None:
    """Return the number of a gradual step, the part of it, and the place in that part.

    The parts are the blocks of the sweep, the stages of the recovery, and the end of the step.
    Return None for an evaluation.
    """
    number, recovery = int(data["step"]["number"]), data.get("recovery")
    if data["step"]["result"] is not None:
        return number, 1 + len(RECOVERY_STAGES), 0
    if recovery is None:
        return number, 0, int(data["block"]["index"])
    if recovery["stage"] not in RECOVERY_STAGES:
        return None
    stage, step = _place(recovery)
    return number, 1 + stage, step
