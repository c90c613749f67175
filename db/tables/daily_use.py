"""The table of daily sums: what the jobs of a day used."""

from datetime import date

from sqlalchemy import BigInteger, Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import ID, Base

NO_DAY = date(1, 1, 1)
NO_PRICE = -1.0


class DailyUse(Base):
    """What the jobs of one key, method and price, or those with one label, used on a day in UTC.

    Attributes:
        day: a day on which a worker held the jobs, or on which they ended.
        previous: the last such day of these jobs before it, so that a period counts each job once:
            on the day whose previous one is not in the period. `NO_DAY` if there is none.
        created_by: the id of the API key; empty without one, and in the sums of a label.
        method: empty in the sums of a label.
        label, value: empty in the sums of a key, a method and a price.
        hourly_price: `NO_PRICE` if the jobs had none.
        currency: empty if it is not known.
        jobs: how many jobs have this day and this previous one.
        succeeded, failed: how many of them ended so on this day.
        held_us: for how many microseconds of the day workers held them.
    """

    __tablename__ = "daily_use"
    __table_args__ = (Index("ix_daily_use_of_a_key", "created_by", "day"),)

    day: Mapped[date] = mapped_column(primary_key=True)
    previous: Mapped[date] = mapped_column(primary_key=True)
    created_by: Mapped[str] = mapped_column(ID, primary_key=True)
    method: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(63), primary_key=True)
    value: Mapped[str] = mapped_column(String(200), primary_key=True)
    hourly_price: Mapped[float] = mapped_column(Double, primary_key=True)
    currency: Mapped[str] = mapped_column(String(16), primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger)
    succeeded: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    held_us: Mapped[int] = mapped_column(BigInteger)
