"""Records of downloads in progress, so that no retention rule deletes the files meanwhile."""

import logging
import time
from collections.abc import Iterable, Iterator

from sqlalchemy.exc import OperationalError

from db.core.session import Sessions
from db.files.downloads import RECORD_EVERY, DownloadRepository

logger = logging.getLogger(__name__)


class Downloads:
    """Records when jobs' files are downloaded, at most once in `RECORD_EVERY` for each job."""

    def __init__(self, sessions: Sessions, best_effort_sessions: Sessions) -> None:
        self._sessions, self._best_effort_sessions = sessions, best_effort_sessions

    def record(self, job_id: str) -> None:
        """Record a download of the job, unless one was recorded recently.

        Call this before reading which of the job's files are stored: a file that is stored
        afterwards stays so during the download.
        """
        with self._sessions() as session:
            if DownloadRepository(session).is_recorded(job_id):
                return
        try:
            with self._best_effort_sessions.begin() as session:
                DownloadRepository(session).record(job_id)
        except OperationalError as error:  # the download is still possible
            logger.warning("the download of job %s could not be recorded: %s", job_id, error.orig)

    def recorded(self, job_id: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks of a response, and record the download again while it lasts."""
        recorded_at = time.monotonic()
        for chunk in chunks:
            if time.monotonic() - recorded_at >= RECORD_EVERY.total_seconds():
                self.record(job_id)
                recorded_at = time.monotonic()
            yield chunk
