"""How much of a result was sent."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from db.outputs.sending import Sent
from db.tables.artifacts import Artifact


class SendingProgress:
    """The number of bytes of each file that were sent; thread-safe.

    A file that is sent again after a broken request counts once.
    """

    def __init__(self, artifacts: Sequence[Artifact]) -> None:
        self._sizes = {artifact.name: artifact.size_bytes for artifact in artifacts}
        self._sent = dict.fromkeys(self._sizes, 0)
        self._lock, self._is_paused = threading.Lock(), False

    @property
    def bytes_total(self) -> int:
        return sum(self._sizes.values())

    def reach(self, name: str, position: int) -> None:
        """Record that a file was sent up to a position."""
        with self._lock:
            if not self._is_paused:
                self._sent[name] = min(max(self._sent[name], position), self._sizes[name])

    def complete(self, name: str) -> None:
        """Record that the target has a file."""
        self.reach(name, self._sizes[name])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing in the ``with`` block, because files are read without being sent."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def sent(self) -> Sent:
        with self._lock:
            files = sum(count == self._sizes[name] for name, count in self._sent.items())
            return Sent(sum(self._sent.values()), files)
