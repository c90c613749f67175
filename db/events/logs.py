"""The log lines of attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, literal, select, tuple_
from sqlalchemy.orm import Session

from db.tables.logs import LogLine

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class NewLine:
    """A log line before its row is inserted."""

    seq: int
    at: datetime
    level: str
    logger: str
    message: str


class LogRepository:
    """Writes and reads log lines; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def write(self, job_id: str, attempt: int, lines: Sequence[NewLine]) -> None:
        rows: list[dict[str, Any]] = [
            {"job_id": job_id, "attempt": attempt, **vars(line)} for line in lines
        ]
        if rows:
            self._session.execute(insert(LogLine), rows)

    def lines(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        level: str = LEVELS[0],
        after: tuple[int, int] = (0, 0),
        limit: int = 500,
    ) -> list[LogLine]:
        """Return lines of at least this level, oldest first.

        ``after`` is the (attempt, seq) of a line; only lines after that one are returned.
        """
        here = tuple_(literal(after[0]), literal(after[1]))
        query = _lines(job_id, attempt, level)
        query = query.where(tuple_(LogLine.attempt, LogLine.seq) > here)
        return list(
            self._session.scalars(query.order_by(LogLine.attempt, LogLine.seq).limit(limit))
        )

    def tail(
        self, job_id: str, *, attempt: int | None = None, level: str = LEVELS[0], limit: int = 500
    ) -> list[LogLine]:
        """Return the last lines of at least this level, oldest first."""
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
