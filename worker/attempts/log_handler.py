"""The logging handler that stores an attempt's log lines in the database."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from db.core.escaping import escape_surrogates
from db.core.session import Sessions
from db.events.logs import LEVELS, LogRepository, NewLine

logger = logging.getLogger(__name__)

MAX_LINES = 5000
MAX_LINES_WITH_WARNINGS = 6000
"""After ``MAX_LINES`` lines, only warnings and errors are stored, up to this many lines in all."""
MAX_CHARACTERS = 8000
FLUSH_INTERVAL_S = 1.0


class JobLogHandler(logging.Handler):
    """Collects an attempt's log lines; a thread writes them to the database.

    The work waits for the database only when the attempt ends, and a failed write does not disturb
    it: the next write includes the same lines. If some lines cannot be written before the attempt
    ends, the process logs how many.
    """

    def __init__(self, sessions: Sessions, job_id: str, attempt: int) -> None:
        super().__init__(logging.INFO)
        self._sessions, self._job_id, self._attempt = sessions, job_id, attempt
        self._lines: list[NewLine] = []
        self._seq = self._left_out = 0
        self._writing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job-log", daemon=True)

    def emit(self, record: logging.LogRecord) -> None:
        limit = MAX_LINES if record.levelno < logging.WARNING else MAX_LINES_WITH_WARNINGS
        if self._seq >= limit:
            self._left_out += 1
            return
        try:
            self._add(record.levelno, record.name, self.format(record), record.created)
        except Exception:
            self.handleError(record)  # prints to standard error, as logging's handlers do

    def flush(self) -> None:
        """Write the collected lines."""
        with self._writing:
            with self._locked():
                lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                with self._sessions.begin() as session:
                    LogRepository(session).write(self._job_id, self._attempt, lines)
            except IntegrityError:
                pass  # the job was deleted, and its log with it
            except SQLAlchemyError:
                with self._locked():
                    self._lines = lines + self._lines

    def __enter__(self) -> "JobLogHandler":
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
            logger.warning("%d lines of %s could not be stored", len(self._lines), self._job_id)
        self.close()

    def _run(self) -> None:
        while not self._done.wait(FLUSH_INTERVAL_S):
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
    """Return the name of the highest standard log level up to ``number``; at least ``DEBUG``."""
    return LEVELS[min(max(number // 10 - 1, 0), len(LEVELS) - 1)]


def _storable(message: str) -> str:
    """Return the message with NUL and lone surrogates escaped, cut to `MAX_CHARACTERS`."""
    if len(message) > MAX_CHARACTERS:
        message = message[:MAX_CHARACTERS] + "…"
    return escape_surrogates(message.replace("\0", "\\0"))
