"""The table of the attempts at deleted jobs, which still count in reports of use and in budgets."""

from datetime import datetime

from sqlalchemy import Double, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import ID, Base


class PastAttempt(Base):
    """The time for which a worker held a job that has been deleted.

    Attributes:
        number: counts the times for which workers held the job, from 0.
        created_by: the id of the API key that the job counted against.
        hourly_price: the price of an hour; None if the job had none.
    """

    __tablename__ = "past_attempts"

    job_id: Mapped[str] = mapped_column(ID, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_by: Mapped[str | None] = mapped_column(ID)
    method: Mapped[str] = mapped_column(String(32))
    hourly_price: Mapped[float | None] = mapped_column(Double)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime] = mapped_column(index=True)
