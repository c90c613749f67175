"""The types of the events that webhooks receive."""

from enum import StrEnum
from typing import Self

from db.core.states import FINAL, JobState


class EventType(StrEnum):
    """The events that webhooks can receive.

    For a job's status, ``job.`` and the status; for an output, ``output.`` and the state.
    """

    meaning: str
    """When it is sent, for the documentation."""

    def __new__(cls, name: str, meaning: str = "") -> Self:
        event_type = str.__new__(cls, name)
        event_type._value_ = name
        event_type.meaning = meaning
        return event_type

    queued = "job.queued", "was submitted, retried, resumed, or requeued by its worker"
    running = "job.running", "was started or continued by a worker"
    paused = "job.paused", "was paused"
    succeeded = "job.succeeded", "has succeeded"
    failed = "job.failed", "has failed"
    cancelled = "job.cancelled", "was cancelled"
    expired = "job.expired", "has expired"
    output_succeeded = "output.succeeded", "(of an [output](outputs.md): it was sent)"
    output_failed = "output.failed", "(of an [output](outputs.md): no further attempt is made)"

    @classmethod
    def of(cls, kind: str, status: JobState) -> Self:
        """Return the type of a job's event of this kind.

        Raises:
            ValueError: the event has no type, as that of the status ``pausing``.
        """
        return cls(f"job.{status}" if kind == STATUS else kind.replace("_", ".", 1))

    @property
    def status(self) -> JobState | None:
        """The status that the job enters; None for an event of another subject."""
        return JobState(self.name) if self.subject == "job" else None

    @property
    def subject(self) -> str:
        """The subject of the event: ``job``, or a part of it, such as ``output``."""
        return self.value.partition(".")[0]


STATUS = "status"
"""The kind of a job's event that records its status; other events have kinds of their own."""
FINAL_EVENTS = tuple(event for event in EventType if event.status in FINAL)
"""The events that webhooks receive by default."""
TEST_EVENT = "webhook.test"
"""The type of test messages."""
