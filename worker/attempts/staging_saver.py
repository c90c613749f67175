"""Saves what an attempt has staged, so that a worker on another machine can resume from it."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.buckets.bucket import Check
from db.buckets.errors import BucketError
from db.files.artifact_store import ArtifactStore
from worker.jobs.progress import JobProgress

logger = logging.getLogger(__name__)
EVERY_S = 5.0
"""How often files are saved at places where no block or step was finished."""


class StagingSaver:
    """Saves the files of one attempt.

    If that fails, the attempt goes on: its own machine has the files, and they are saved later.
    """

    def __init__(self, store: ArtifactStore, staged: Path, job_id: str, check: Check) -> None:
        self._store, self._staged, self._job_id, self._check = store, staged, job_id, check
        self._due = time.monotonic() + EVERY_S

    def save(self, progress: JobProgress) -> None:
        """Save the files after each finished block or step, and otherwise from time to time."""
        if not progress.has_finished_work and time.monotonic() < self._due:
            return
        with logged_bucket_errors("workers on other machines cannot resume from here"):
            self._store.save(self._staged, self._job_id, self._check)
        self._due = time.monotonic() + EVERY_S


@contextmanager
def logged_bucket_errors(consequence: str) -> Iterator[None]:
    """Log an error of the bucket, with its consequence, in place of raising it.

    Only for work that is not needed now, because a later call repeats it."""
    try:
        yield
    except BucketError as error:
        logger.warning("%s: %s", consequence, error)
