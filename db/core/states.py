"""The states of a job, and the transitions between them."""

from enum import StrEnum


class JobState(StrEnum):
    """The state of a job."""

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
        """Whether the job has ended; after that, only a retry can change its state."""
        return self in FINAL


class Phase(StrEnum):
    """The activity of a running job. It does not decide which transitions are allowed."""

    resolving = "resolving"
    loading = "loading"
    writing = "writing"
    calibrating = "calibrating"
    pruning = "pruning"
    evaluating = "evaluating"
    recovering = "recovering"
    packaging = "packaging"


FINAL = frozenset({JobState.succeeded, JobState.failed, JobState.cancelled, JobState.expired})
HELD = frozenset({JobState.running, JobState.pausing, JobState.cancelling})
"""States in which a worker holds the job's lease."""

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
            JobState.running,  # a resume before the worker has paused
            JobState.succeeded,  # the job finished with the block that the pause waited for
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
"""The allowed transitions. Only a retry leaves ``failed``, ``cancelled`` and ``expired``."""
