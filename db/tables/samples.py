"""Tables of what workers and queues did in each minute of the last day."""

from sqlalchemy import Double, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base


class WorkerSample(Base):
    """One minute of a worker.

    Attributes:
        minute: the minutes since 1970.
        samples: how often it was looked at.
        busy: how often it held a job then.
        load: the highest share of its device that was busy; None if unknown.
    """

    __tablename__ = "worker_samples"

    worker: Mapped[str] = mapped_column(String(255), primary_key=True)
    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    samples: Mapped[int] = mapped_column(default=0)
    busy: Mapped[int] = mapped_column(default=0)
    load: Mapped[float | None] = mapped_column(Double)


class QueueSample(Base):
    """The most waiting and running jobs of a queue in one minute."""

    __tablename__ = "queue_samples"

    queue: Mapped[str] = mapped_column(String(64), primary_key=True)
    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    queued: Mapped[int] = mapped_column(default=0)
    running: Mapped[int] = mapped_column(default=0)
