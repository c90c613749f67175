"""Tables of worker and queue activity in each minute of the last day."""

from sqlalchemy import Double, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base


class WorkerSample(Base):
    """The activity of a worker in one minute.

    Attributes:
        minute: the start of the minute, in minutes since 1970.
        samples: the number of samples taken in this minute.
        busy: the number of these samples in which the worker held a job.
        load: the highest `Worker.load` among these samples; None if unknown.
    """

    __tablename__ = "worker_samples"

    worker: Mapped[str] = mapped_column(String(255), primary_key=True)
    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    samples: Mapped[int] = mapped_column(default=0)
    busy: Mapped[int] = mapped_column(default=0)
    load: Mapped[float | None] = mapped_column(Double)


class QueueSample(Base):
    """The peak numbers of queued and of running jobs of a queue in one minute."""

    __tablename__ = "queue_samples"

    queue: Mapped[str] = mapped_column(String(64), primary_key=True)
    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    queued: Mapped[int] = mapped_column(default=0)
    running: Mapped[int] = mapped_column(default=0)
