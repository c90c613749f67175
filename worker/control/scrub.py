"""Reads every finished file again from time to time: damage on a disk is found before it is served.

A few megabytes at each call, so that whoever calls is never held up.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.integrity import FileCheck, store_result

LONGEST_CALL_S = 2.0
"""A caller who comes late reads no more than this makes up for."""
REST_S = 60.0
"""How long nothing is looked for once nothing was due."""


class Scrub:
    """Checks artifacts, the one first whose last check is longest ago.

    Which files were checked is in their rows; of a file that a restart interrupts the part that
    was read is read again.
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
        self._called_at = self._rests_until = clock()
        self._check: FileCheck | None = None

    def step(self) -> int:
        """Read as much as the time since the last call allows; return how many files that ended."""
        now = self._clock()
        left = int(self._bytes_per_s * min(now - self._called_at, LONGEST_CALL_S))
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
        """Give up the file that is being read."""
        if self._check is not None:
            self._check.close()
            self._check = None

    def _current(self) -> FileCheck | None:
        """Return the check that is under way, or of the next file that is due."""
        if self._check is not None or self._clock() < self._rests_until:
            return self._check
        with self._sessions() as session:
            artifact = ArtifactRepository(session).next_unchecked(self._every)
        if artifact is None:
            self._rests_until = self._clock() + REST_S
        else:
            self._check = FileCheck(self._store, artifact, from_disk=True)
        return self._check
