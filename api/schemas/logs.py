"""The schema of a job's log lines."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from db.tables.logs import LogLine


class LogLineRead(BaseModel):
    """One log line; pass its ``id`` as ``after`` to list the lines after it."""

    id: str
    attempt: int
    seq: int
    at: datetime
    level: str
    logger: str
    message: str

    @classmethod
    def of(cls, line: LogLine) -> Self:
        names = ("attempt", "seq", "at", "level", "logger", "message")
        return cls(id=f"{line.attempt}.{line.seq}", **{name: getattr(line, name) for name in names})

    def text(self) -> str:
        """Return the line as plain text."""
        return f"{self.at:%Y-%m-%dT%H:%M:%S.%fZ} {self.level} {self.logger}: {self.message}\n"
