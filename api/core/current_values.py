"""A cache of values read from the database; they are valid until the next commit."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from api.core.batched_reads import BatchedReads
from api.core.commit_marks import Mark, mark_source
from db.core.session import Sessions

Key = TypeVar("Key")
Value = TypeVar("Value")


class CommitMarks:
    """Reads the database's commit mark, a value that changes with every commit.

    For use on one event loop.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._source = mark_source(sessions)
        self._reads = BatchedReads[str, Mark](self._read)

    async def now(self) -> Mark:
        """Return the commit mark, which is no older than this call.

        Raises:
            OperationalError: the database does not respond.
        """
        return self._source.read() if self._source.is_immediate else await self._reads.get("mark")

    async def _read(self, keys: Sequence[str]) -> Mapping[str, Mark]:
        return dict.fromkeys(keys, await run_in_threadpool(self._source.read))


@dataclass(frozen=True)
class _Held(Generic[Value]):
    value: Value
    mark: Mark
    read_at: float


class CurrentValues(Generic[Key, Value]):
    """A cache of database values of one kind; for use on one event loop.

    A cached value is returned only if no process has committed anything since the read of this
    value began, and if the value is not older than ``max_age_s``. So every caller sees all changes
    that were committed before its call.
    """

    def __init__(
        self,
        marks: CommitMarks,
        read: Callable[[Sequence[Key], Mapping[Key, Value]], Mapping[Key, Value | Exception]],
        *,
        max_values: int,
        max_age_s: float = math.inf,
        reads_at_once: int = 1,
    ) -> None:
        """Create an empty cache.

        Args:
            marks: reads the commit mark, which shows whether anything was committed.
            read: called on a thread, with the keys to read, and with the cached values of those
                keys that have one. It returns a value or an error for each key. It may return a
                cached value again if that is still current.
            max_values: how many values are kept; the least recently used are dropped.
            max_age_s: the age after which a value is read again, for values that change over
                time even without a commit.
            reads_at_once: how many reads may run at once.
        """
        self._marks, self._read, self._max_age_s = marks, read, max_age_s
        self._max_values = max_values
        self._held: OrderedDict[Key, _Held[Value]] = OrderedDict()
        self._reads = BatchedReads[Key, Value](self._read_and_hold, reads_at_once)
        self._newest_mark: Mark = None

    async def get(self, key: Key) -> Value:
        """Return the key's value, which is no older than this call.

        Raises:
            Exception: the read raised it, or returned it for this key.
        """
        mark = await self._marks.now()
        held = self._held.get(key)
        if held is not None and self._is_current(held, mark):
            self._held.move_to_end(key)
            return held.value
        self._newest_mark = mark
        return await self._reads.get(key)

    def _is_current(self, held: _Held[Value], mark: Mark) -> bool:
        unchanged = mark is not None and held.mark == mark
        return unchanged and time.monotonic() - held.read_at <= self._max_age_s

    async def _read_and_hold(self, keys: Sequence[Key]) -> Mapping[Key, Value | Exception]:
        mark, now = self._newest_mark, time.monotonic()  # both of a moment before the read
        known = {key: self._held[key].value for key in keys if key in self._held}
        values = await run_in_threadpool(self._read, keys, known)
        for key, value in values.items():
            if isinstance(value, Exception):
                self._held.pop(key, None)
            else:
                self._held[key] = _Held(value, mark, now)
                self._held.move_to_end(key)
        while len(self._held) > self._max_values:
            self._held.popitem(last=False)
        return values
