"""One attempt to send an output: its lease, its progress and its files."""

import logging
import threading
import time
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from db.core.errors import ArtifactDamagedError, ArtifactNotFoundError
from db.core.session import Sessions
from db.events.transitions import LEASE
from db.files.artifact_store import ArtifactStore
from db.files.integrity import NO_FILE, require_undamaged
from db.outputs.sending import ClaimedOutput, OutputLostError, SendingRepository, Sent
from db.tables.artifacts import Artifact
from worker.outputs.artifact_reader import ArtifactReader
from worker.outputs.progress import SendingProgress

logger = logging.getLogger(__name__)
RENEW_EVERY_S = 5.0
REPORTED_SHARE = 0.01
"""An event is recorded whenever this share of the bytes was sent."""


class SendingStopped(Exception):  # noqa: N818 - a request to stop, not an error
    """The attempt has to stop: it lost the output, or the process ends."""


class OutputAttempt:
    """An attempt to send a claimed output; as a context manager, it renews the lease.

    Attributes:
        progress: what was sent; reading a file that was opened with `open` updates it.
        is_lost: whether another process sends the output, or it was cancelled or deleted.
    """

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        output: ClaimedOutput,
        stopping: threading.Event,
        lease: timedelta = LEASE,
    ) -> None:
        self._sessions, self._store, self._stopping, self._lease = sessions, store, stopping, lease
        self.output, self.is_lost = output, False
        self.progress = SendingProgress(output.artifacts)
        self._reported, self._renewed = Sent(0, 0), time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_regularly, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def open(self, artifact: Artifact) -> ArtifactReader:
        """Open a file of the job, to be closed by the caller.

        Raises:
            ArtifactDeletedError: a retention rule deleted the file.
            ArtifactDamagedError: the file is missing or known to be damaged.
        """
        require_undamaged(artifact)
        try:
            file = self._store.open(artifact).open()
        except (ArtifactNotFoundError, FileNotFoundError):
            raise ArtifactDamagedError(artifact.id, artifact.name, NO_FILE) from None
        return ArtifactReader(file, artifact, partial(self._on_read, artifact.name))

    def check(self) -> None:
        """Raise `SendingStopped` if the attempt has to stop."""
        if self.is_lost or self._stopping.is_set():
            raise SendingStopped

    def require_held(self) -> None:
        """Renew the lease now; call this before the request that makes the result visible.

        Raises:
            SendingStopped: the attempt has to stop.
        """
        self.check()
        try:
            self._renew()
        except OutputLostError:
            self.is_lost = True
            raise SendingStopped from None

    def _on_read(self, name: str, position: int) -> None:
        self.check()
        self.progress.reach(name, position)

    def _renew_regularly(self) -> None:
        every_s = min(RENEW_EVERY_S, self._lease.total_seconds() / 4)
        while not self._ended.wait(every_s) and not self.is_lost:
            try:
                self._renew()
            except OutputLostError:
                self.is_lost = True
            except SQLAlchemyError as error:
                logger.warning("the lease could not be renewed: %s", error)
                silent_s = time.monotonic() - self._renewed
                self.is_lost = silent_s > self._lease.total_seconds()

    def _renew(self) -> None:
        sent, step = self.progress.sent(), REPORTED_SHARE * self.progress.bytes_total
        is_reported = sent.bytes - self._reported.bytes >= max(step, 1)
        with self._sessions.begin() as session:
            sending = SendingRepository(session, lease=self._lease)
            (sending.report if is_reported else sending.renew)(self.output, sent)
        if is_reported:
            self._reported = sent
        self._renewed = time.monotonic()
