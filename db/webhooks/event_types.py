"""The types of the events that webhooks receive."""

from enum import StrEnum
from typing import Self

from db.core.states import FINAL, JobState


class EventType(StrEnum):
    """The events that webhooks can receive.

    For a job's status, ``job.`` and the status; for an output, ``output.`` and the state.
    """

    queued = "job.queued"
    running = "job.running"
    paused = "job.paused"
    succeeded = "job.succeeded"
    failed = "job.failed"
    cancelled = "job.cancelled"
    expired = "job.expired"
    output_succeeded = "output.succeeded"
    output_failed = "output.failed"

    @classmethod
    def of(cls, kind: str, status: JobState) -> Self:
        """Return the type of a job's event of this kind.

        Raises:
            ValueError: the event has no type, as that of the status ``pausing``.
        """
        return cls(f"job.{status}" if kind == STATUS else kind.replace("_", ".", 1))

    @property
    def status(self) -> JobState | None:
        """The status that the job enters; None for the event of an output."""
        return None if self.value.startswith("output.") else JobState(self.name)


STATUS = "status"
"""The kind of a job's event that records its status; events of outputs have kinds of their own."""
FINAL_EVENTS = tuple(event for event in EventType if event.status in FINAL)
"""The events that webhooks receive by default."""
TEST_EVENT = "webhook.test"
"""The type of test messages."""
