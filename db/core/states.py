"""The state machine of a job: a table, enforced by one UPDATE."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is in its life."""

    queued = "queued"
    running = "running"
    pausing = "pausing"
    paused = "paused"
    cancelling = "cancelling"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"
    expired = "expired"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended; only an explicit retry leaves a final state."""
        return self in FINAL


class Phase(StrEnum):
    """What a running job is busy with; progress, never a reason to refuse something."""

    resolving = "resolving"
    loading = "loading"
    calibrating = "calibrating"
    pruning = "pruning"
    evaluating = "evaluating"
    packaging = "packaging"


FINAL = frozenset({JobState.succeeded, JobState.failed, JobState.cancelled, JobState.expired})
HELD = frozenset({JobState.running, JobState.pausing, JobState.cancelling})
"""States in which some worker holds a lease."""

NEXT: dict[JobState, frozenset[JobState]] = {
    JobState.queued: frozenset(
        {JobState.running, JobState.paused, JobState.cancelled, JobState.expired, JobState.failed}
    ),
    JobState.running: frozenset(
        {
            JobState.succeeded,
            JobState.failed,
            JobState.pausing,
            JobState.cancelling,
            JobState.expired,
            JobState.queued,  # a yield, or a lost worker
        }
    ),
    JobState.pausing: frozenset(
        {
            JobState.paused,
            JobState.running,  # a resume before its worker has obeyed
            JobState.succeeded,  # its last block was the one that the pause waited for
            JobState.cancelling,
            JobState.failed,
            JobState.expired,
        }
    ),
    JobState.paused: frozenset({JobState.queued, JobState.cancelled, JobState.expired}),
    JobState.cancelling: frozenset({JobState.cancelled}),
    JobState.succeeded: frozenset(),
    JobState.failed: frozenset({JobState.queued}),
    JobState.cancelled: frozenset({JobState.queued}),
    JobState.expired: frozenset({JobState.queued}),
}
"""What may follow. From ``failed``, ``cancelled`` and ``expired`` only a retry leads on."""
