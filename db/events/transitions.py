"""What a change of state does to a row besides the state itself."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, literal, null

from db.core.clock import now
from db.core.states import FINAL, HELD, NEXT, JobState
from db.tables.base import STATE
from db.tables.jobs import Job

LEASE = timedelta(seconds=60)

RELEASED = {
    JobState.running: JobState.queued,
    JobState.pausing: JobState.paused,
    JobState.cancelling: JobState.cancelled,
}
"""Where a held job goes when its worker lets go of it."""


CANCELLED = {
    JobState.queued: JobState.cancelled,
    JobState.paused: JobState.cancelled,
    JobState.running: JobState.cancelling,
    JobState.pausing: JobState.cancelling,
}
"""What a cancel makes of a job: at once where no worker holds it, else when that one obeys."""

PAUSED = {JobState.queued: JobState.paused, JobState.running: JobState.pausing}
"""What a pause makes of a job: at once where no worker holds it, else after its block."""

RESUMED = {JobState.paused: JobState.queued, JobState.pausing: JobState.running}
"""What a resume makes of a job; one whose worker has not obeyed yet just goes on."""

RETRIED = frozenset({JobState.failed, JobState.cancelled, JobState.expired})
"""States from which a retry queues a job again."""


def allowed_actions(state: JobState) -> list[str]:
    """Return what a caller may ask of a job in this state."""
    possible = {
        "cancel": state in CANCELLED,
        "pause": state in PAUSED,
        "resume": state in RESUMED,
        "retry": state in RETRIED,
        "rerun": True,
        "delete": state in FINAL,
    }
    return [action for action, is_possible in possible.items() if is_possible]


def leading_to(wanted: JobState) -> list[JobState]:
    """Return the states that ``wanted`` may follow."""
    return [state for state, after in NEXT.items() if wanted in after]


def entering(wanted: JobState) -> dict[str, Any]:
    """Return the fields a job takes on when it becomes ``wanted``."""
    fields: dict[str, Any] = {"status": wanted}
    if wanted is JobState.running:
        fields |= lease_fields(LEASE) | {"not_before": None}
    elif wanted not in HELD:
        fields |= FREE
    if wanted is JobState.queued:
        fields |= {"pushed_at": None, "not_before": None, "finished_at": None, "error": None} | IDLE
    elif wanted in FINAL:
        fields["finished_at"] = now()
    return fields


def lease_fields(lease: timedelta) -> dict[str, Any]:
    """Return the columns that begin or renew a lease."""
    return {"leased_at": now(), "lease_until": now(lease)}


def choose(outcomes: Mapping[JobState, JobState]) -> ColumnElement[JobState]:
    """Return SQL for the state that follows the job's present one."""
    return case(
        *[(Job.status == before, literal(after, STATE)) for before, after in outcomes.items()]
    )


def releasing() -> dict[str, Any]:
    """Return the fields of a job whose worker lets go of it, whichever held state it is in."""
    pauses = Job.status == JobState.pausing
    kept = {name: case((pauses, getattr(Job, name)), else_=IDLE[name]) for name in _DONE}
    return (
        {
            "status": choose(RELEASED),
            "finished_at": case((Job.status == JobState.cancelling, now()), else_=null()),
            "pushed_at": None,
        }
        | FREE
        | IDLE
        | kept
    )


FREE: dict[str, Any] = {"leased_at": None, "lease_until": None}
"""A job that no worker holds."""

IDLE: dict[str, Any] = {
    "worker": None,
    "device": None,
    "phase": None,
    "progress": 0.0,
    "block_index": None,
    "block_total": None,
    "block_name": None,
}
"""A job that no worker is busy with."""

_DONE = ("progress", "block_index", "block_total", "block_name")
"""What a paused job keeps: the blocks that it goes on from."""
