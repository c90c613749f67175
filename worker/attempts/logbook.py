"""What is logged while an attempt runs, kept as rows that its caller can read."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from db.core.session import Sessions
from db.core.text_limits import printable
from db.events.logs import LEVELS, LogRepository, NewLine

log = logging.getLogger(__name__)

MOST_LINES = 5000
MOST_GRAVE_LINES = 6000
"""Warnings and errors still find room where thousands of lines were said before them."""
MOST_CHARACTERS = 8000
WRITE_EVERY_S = 1.0


class LogBook(logging.Handler):
    """Collects an attempt's lines; a thread of its own writes them, so that the work never waits.

    Nothing that goes wrong here reaches the work: lines that cannot be written wait for the next
    time, and at the end the process's own log says how many were lost.
    """

    def __init__(self, sessions: Sessions, job_id: str, attempt: int) -> None:
        super().__init__(logging.INFO)
        self._sessions, self._job_id, self._attempt = sessions, job_id, attempt
        self._lines: list[NewLine] = []
        self._seq = self._left_out = 0
        self._writing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logbook", daemon=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        most = MOST_LINES if record.levelno < logging.WARNING else MOST_GRAVE_LINES
        if self._seq >= most:
            self._left_out += 1
            return
        try:
            self._add(record.levelno, record.name, self.format(record), record.created)
        except Exception:
            self.handleError(record)  # the way of logging: said on standard error

    def flush(self) -> None:
        """Write what there is."""
        with self._writing:
            with self._locked():
                lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                with self._sessions.begin() as session:
                    LogRepository(session).write(self._job_id, self._attempt, lines)
            except IntegrityError:
                pass  # the job was deleted, and nobody can ask for its log
            except SQLAlchemyError:
                with self._locked():
                    self._lines = lines + self._lines

    def __enter__(self) -> "LogBook":
        logging.getLogger().addHandler(self)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        self._done.set()
        self._thread.join()
        if self._left_out:
            text = f"{self._left_out} further lines were left out"
            self._add(logging.WARNING, __name__, text, datetime.now(UTC).timestamp())
        self.flush()
        if self._lines:
            log.warning("%d lines of %s could not be kept", len(self._lines), self._job_id)
        self.close()

    def _run(self) -> None:
        while not self._done.wait(WRITE_EVERY_S):
            self.flush()

    def _add(self, level: int, logger: str, message: str, created: float) -> None:
        self._seq += 1
        at = datetime.fromtimestamp(created, UTC)
        line = NewLine(self._seq, at, _level(level), logger[:128], _storable(message))
        self._lines.append(line)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


def _level(number: int) -> str:
    """Return the highest of the usual levels that is not above a record's own."""
    return LEVELS[min(max(number // 10 - 1, 0), len(LEVELS) - 1)]


def _storable(message: str) -> str:
    """Return what every database keeps: no NUL, no lone surrogate, an end."""
    if len(message) > MOST_CHARACTERS:
        message = message[:MOST_CHARACTERS] + "…"
    return printable(message.replace("\0", "\\0"))
