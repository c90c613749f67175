"""What is answered about logs, typed."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from db.tables.logs import LogLine


class LogLineRead(BaseModel):
    """One line; its ``id`` says where to go on."""

    id: str
    attempt: int
    seq: int
    at: datetime
    level: str
    logger: str
    message: str

    @classmethod
    def of(cls, line: LogLine) -> Self:
        """Return the face of a line's row."""
        names = ("attempt", "seq", "at", "level", "logger", "message")
        return cls(id=f"{line.attempt}.{line.seq}", **{name: getattr(line, name) for name in names})

    def text(self) -> str:
        """Return the line as people read it."""
        return f"{self.at:%Y-%m-%dT%H:%M:%S.%fZ} {self.level} {self.logger}: {self.message}\n"
