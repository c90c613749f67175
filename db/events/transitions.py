"""The effects of actions on a job's state, and the columns that change with the state."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, case, literal_column, null

from db.core.clock import now
from db.core.states import FINAL, HELD, NEXT, JobState
from db.tables.jobs import Job

LEASE = timedelta(seconds=60)
"""The time after which the job or the output of a silent process is given to another one, unless
the setting ``ZPRUNER_LEASE_S`` gives a job another time."""

RELEASED = {
    JobState.running: JobState.queued,
    JobState.pausing: JobState.paused,
    JobState.cancelling: JobState.cancelled,
}
"""For each state in which a worker holds a job, the state after the worker has released it."""

CANCELLED = {
    JobState.queued: JobState.cancelled,
    JobState.paused: JobState.cancelled,
    JobState.running: JobState.cancelling,
    JobState.pausing: JobState.cancelling,
}
"""The state after a cancel request: ``cancelled`` if no worker holds the job; else ``cancelling``,
until its worker stops."""

PAUSED = {JobState.queued: JobState.paused, JobState.running: JobState.pausing}
"""The state after a pause request: ``paused`` if no worker holds the job; else ``pausing``, until
its current block is done."""

RESUMED = {JobState.paused: JobState.queued, JobState.pausing: JobState.running}
"""The state after a resume request: ``queued`` if the job is paused; ``running`` if its worker has
not stopped yet."""

RETRIED = frozenset({JobState.failed, JobState.cancelled, JobState.expired})
"""States from which a retry queues a job again."""


def allowed_actions(state: JobState) -> list[str]:
    """Return the actions that change a job in this state."""
    possible = {
        "cancel": state in CANCELLED,
        "pause": state in PAUSED,
        "resume": state in RESUMED,
        "retry": state in RETRIED,
        "rerun": True,
        "delete": state in FINAL,
    }
    return [action for action, is_possible in possible.items() if is_possible]


@lru_cache(maxsize=64)
def is_in(*states: JobState, job: Any = Job) -> ColumnElement[bool]:
    """Return SQL for whether the job is in one of the states; ``job`` may be an alias.

    It has no parameters: a list as one is expanded at every execution.
    """
    status = Job.__table__.c.status if job is Job else job.status
    is_one: ColumnElement[bool] = status.in_([_constant(state) for state in states])
    return is_one


def _constant(state: JobState) -> ColumnElement[Any]:
    return literal_column(f"'{state.name}'")


def leading_to(wanted: JobState) -> list[JobState]:
    """Return the states from which a job may become ``wanted``."""
    return [state for state, after in NEXT.items() if wanted in after]


def entering(wanted: JobState) -> dict[str, Any]:
    """Return the columns to set when a job becomes ``wanted``, except for the lease of a claim."""
    fields: dict[str, Any] = {"status": wanted}
    if wanted is JobState.running:
        fields |= {"not_before": None, "error": None}
    elif wanted not in HELD:
        fields |= FREE
    if wanted is JobState.queued:
        queued = {"pushed_at": None, "not_before": START, "finished_at": None, "error": None}
        fields |= queued | IDLE
    elif wanted in FINAL:
        fields["finished_at"] = now()
    return fields


def lease_fields(lease: timedelta) -> dict[str, Any]:
    """Return the columns to set when a lease begins or is renewed."""
    return {"leased_at": now(), "lease_until": now(lease)}


def choose(outcomes: Mapping[JobState, JobState]) -> ColumnElement[JobState]:
    """Return SQL that maps the job's current state to its next state."""
    return case(*[(is_in(before), _constant(after)) for before, after in outcomes.items()])


def releasing() -> dict[str, Any]:
    """Return the columns to set when a job is released from any state in which it was held."""
    pauses = is_in(JobState.pausing)
    kept = {name: case((pauses, getattr(Job, name)), else_=IDLE[name]) for name in _PROGRESS}
    return (
        {
            "status": choose(RELEASED),
            "finished_at": case((is_in(JobState.cancelling), now()), else_=null()),
            "pushed_at": None,
        }
        | FREE
        | IDLE
        | kept
    )


START = case((Job.retries > 0, null()), else_=Job.not_before)
"""SQL for the start time that a job keeps when it is queued again: the one of its request. The end
of the wait after a transient failure is dropped; a claim has dropped the start time before."""

FREE: dict[str, Any] = {"leased_at": None, "lease_until": None}
"""The values of the lease columns of a job that no worker holds."""

IDLE: dict[str, Any] = {
    "worker": None,
    "device": None,
    "phase": None,
    "progress": 0.0,
    "block_index": None,
    "block_total": None,
    "block_name": None,
}
"""The values of the progress columns of a job that is not running."""

_PROGRESS = ("progress", "block_index", "block_total", "block_name")
"""The columns that a paused job keeps, because they describe the blocks that it has finished."""
