"""The table of outputs: the targets that jobs' results are sent to."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.tables.base import Base, Document
from db.tables.jobs import Job


class OutputState(StrEnum):
    """What may happen to an output next.

    ``waiting``: an attempt is due, or will be. ``skipped``: the job failed its gate or did not
    succeed, so nothing was sent.
    """

    waiting = "waiting"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"
    skipped = "skipped"


OUTPUT_STATE = Enum(OutputState, native_enum=False, length=16)


class Output(Base):
    """One target that a job's result is sent to, inserted when the job succeeds.

    Attributes:
        index: the target's place in the specification, from 0.
        target: the target, as in the specification.
        attempts: the number of attempts so far. A write of an attempt names its number, and fails
            once there is a later attempt.
        failures: the attempts that failed or were lost since the output was enqueued.
        next_attempt_at: if the state is ``waiting``, when the next attempt is due.
        lease_until: if the state is ``running``, when the attempt counts as lost.
        noted_at: when ``next_attempt_at`` or ``lease_until`` was set.
        bytes_sent, files_sent: what the target has of the result, as of the latest attempt.
        url: the address of what was sent, such as a commit; None until the output has succeeded.
        error: the problem document of the last failed attempt, or the reason why it was skipped.
    """

    __tablename__ = "outputs"
    __table_args__ = (Index("ix_outputs_due", "state", "next_attempt_at"),)

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    target: Mapped[Document]
    state: Mapped[OutputState] = mapped_column(OUTPUT_STATE, default=OutputState.waiting)
    attempts: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    noted_at: Mapped[datetime] = mapped_column(default=now())
    bytes_sent: Mapped[int] = mapped_column(BigInteger, default=0)
    bytes_total: Mapped[int] = mapped_column(BigInteger, default=0)
    files_sent: Mapped[int] = mapped_column(default=0)
    files_total: Mapped[int] = mapped_column(default=0)
    url: Mapped[str | None] = mapped_column(String(2048))
    error: Mapped[Document | None]
    finished_at: Mapped[datetime | None]
