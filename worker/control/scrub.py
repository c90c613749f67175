"""The scrub: reads every artifact again from time to time, to find damage on the disk.

Each call of `Scrub.step` reads only as many bytes as the configured rate allows.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.integrity import FileCheck, store_result

MAX_CALL_INTERVAL_S = 2.0
"""However long ago the last call was, a call reads no more than the rate allows in this time."""
IDLE_S = 60.0
"""How long to wait before the next query if no file was due."""


class Scrub:
    """Checks artifacts, starting with the one that has gone unchecked for the longest time.

    The time of the last check is in each artifact's row. A check that is interrupted by a restart
    starts over.
    """

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        *,
        every: timedelta,
        bytes_per_s: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions, self._store = sessions, store
        self._every, self._bytes_per_s, self._clock = every, bytes_per_s, clock
        self._called_at = self._idle_until = clock()
        self._check: FileCheck | None = None

    def step(self) -> int:
        """Read what the rate allows since the last call; return the number of finished checks."""
        now = self._clock()
        left = int(self._bytes_per_s * min(now - self._called_at, MAX_CALL_INTERVAL_S))
        self._called_at, ended = now, 0
        while left > 0 and (check := self._current()) is not None:
            left -= check.advance(left)
            if not check.done:
                continue
            self.close()
            store_result(self._sessions, check)
            ended += 1
        return ended

    def close(self) -> None:
        """Abandon the current check."""
        if self._check is not None:
            self._check.close()
            self._check = None

    def _current(self) -> FileCheck | None:
        """Return the current check, or start one of the next file due; None if none is due."""
        if self._check is not None or self._clock() < self._idle_until:
            return self._check
        with self._sessions() as session:
            artifact = ArtifactRepository(session).next_unchecked(self._every)
        if artifact is None:
            self._idle_until = self._clock() + IDLE_S
        else:
            self._check = FileCheck(self._store, artifact, from_disk=True)
        return self._check
