"""What attempts wrote to their logs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text, insert, literal, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base
from db.models import Job
from db.rows import JobRows

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class LogLine(Base):
    """One line that an attempt wrote to its log."""

    __tablename__ = "job_logs"

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    level: Mapped[str] = mapped_column(String(8))
    logger: Mapped[str] = mapped_column(String(128))
    message: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True)
class NewLine:
    """A line before it is a row."""

    seq: int
    at: datetime
    level: str
    logger: str
    message: str


class LogRepository(JobRows):
    """The logs of the jobs in one session."""

    def write_log(self, job_id: str, attempt: int, lines: Sequence[NewLine]) -> None:
        """Keep lines of one attempt."""
        rows: list[dict[str, Any]] = [
            {"job_id": job_id, "attempt": attempt, **vars(line)} for line in lines
        ]
        if rows:
            self._session.execute(insert(LogLine), rows)

    def log(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        level: str = LEVELS[0],
        after: tuple[int, int] = (0, 0),
        limit: int = 500,
    ) -> list[LogLine]:
        """Return lines of at least a level behind an attempt's line, oldest first."""
        here = tuple_(literal(after[0]), literal(after[1]))
        query = _lines(job_id, attempt, level)
        query = query.where(tuple_(LogLine.attempt, LogLine.seq) > here)
        return list(
            self._session.scalars(query.order_by(LogLine.attempt, LogLine.seq).limit(limit))
        )

    def log_tail(
        self, job_id: str, *, attempt: int | None = None, level: str = LEVELS[0], limit: int = 500
    ) -> list[LogLine]:
        """Return the last lines of at least a level, oldest first."""
        query = _lines(job_id, attempt, level)
        newest = query.order_by(LogLine.attempt.desc(), LogLine.seq.desc()).limit(limit)
        return list(self._session.scalars(newest))[::-1]


def _lines(job_id: str, attempt: int | None, level: str) -> Any:
    query = select(LogLine).where(LogLine.job_id == job_id)
    if attempt is not None:
        query = query.where(LogLine.attempt == attempt)
    if level != LEVELS[0]:
        query = query.where(LogLine.level.in_(LEVELS[LEVELS.index(level) :]))
    return query
