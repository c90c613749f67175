"""A fixed-size table of token buckets, in memory that several processes may share."""

import fcntl
import mmap
import os
import time
from hashlib import blake2b
from pathlib import Path

SETS, WAYS = 8192, 8
WORD = 8
SET_WORDS = 3 * WAYS
"""The number of 64-bit words in a set: first the digests of eight names, then the token counts of
their buckets, then the times at which these counts were stored."""
TABLE_BYTES = SETS * SET_WORDS * WORD
SEED_BYTES = 16
LOCK_WITHIN_S = 0.05
"""How long to wait for a set's lock before a request is counted without it. A lock is held for
microseconds, but longer if the process that holds it is stopped or gets no CPU time. The event loop
must not wait for such a process."""
RETRY_AFTER_S = 0.0002
WAIT_AGAIN_AFTER_S = 1.0


class BucketTable:
    """A hash table with a token bucket for each name.

    The digest of a name selects a set, which has places for eight buckets. If all eight are in use,
    a new bucket replaces the one with the most tokens. The name of a replaced bucket gets a full
    bucket the next time, so replacing the fullest one changes the least.

    Args:
        rate: the tokens that a bucket gets each second.
        burst: the most tokens that a bucket can hold; a new bucket is full.
        file: a file that several processes share; without one the table is in private memory.
    """

    def __init__(self, rate: float, burst: float, file: Path | None = None) -> None:
        self._rate, self._burst = rate, burst
        self._fd = None if file is None else _opened(file)
        memory = bytearray(_new()) if self._fd is None else mmap.mmap(self._fd, 0)
        # The seed is secret, so that a client cannot choose addresses which share a set.
        self._seed = bytes(memory[TABLE_BYTES:])
        self._no_wait_until: dict[int, float] = {}
        table = memoryview(memory)[:TABLE_BYTES]
        self._digests, self._numbers = table.cast("Q"), table.cast("d")

    def take(self, name: str, at: float) -> float:
        """Take a token if the name's bucket has one; return how many tokens it had before.

        ``at`` is the current time of the monotonic clock, in seconds.
        """
        hashed = blake2b(name.encode(), digest_size=WORD, key=self._seed)
        digest = int.from_bytes(hashed.digest(), "little") or 1  # 0 marks a place as empty
        index = digest % SETS
        if self._fd is None:
            return self._take(index * SET_WORDS, digest, at)
        self._lock(self._fd, index)
        try:
            return self._take(index * SET_WORDS, digest, at)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, index)

    def _lock(self, fd: int, index: int) -> None:
        """Wait up to ``LOCK_WITHIN_S`` for a set's lock; if that fails, return without it.

        For ``WAIT_AGAIN_AFTER_S`` after such a failure, calls for the set try once and do not wait.
        If a process is killed, the system releases its locks.
        """
        if _try_lock(fd, index) or time.monotonic() < self._no_wait_until.get(index, 0.0):
            return
        deadline = time.monotonic() + LOCK_WITHIN_S
        while not _try_lock(fd, index):
            if time.monotonic() > deadline:
                self._no_wait_until[index] = time.monotonic() + WAIT_AGAIN_AFTER_S
                return
            time.sleep(RETRY_AFTER_S)

    def _take(self, start: int, digest: int, at: float) -> float:
        digests = self._digests[start : start + WAYS].tolist()
        if digest in digests:
            place = start + WAYS + digests.index(digest)
            level, since = self._numbers[place], self._numbers[place + WAYS]
            level = min(self._burst, level + (at - since) * self._rate)
        else:
            way = digests.index(0) if 0 in digests else self._fullest(start)
            self._digests[start + way] = digest
            place, level = start + WAYS + way, self._burst
        self._numbers[place] = level - 1 if level >= 1 else level
        self._numbers[place + WAYS] = at
        return level

    def _fullest(self, start: int) -> int:
        levels = self._numbers[start + WAYS : start + 2 * WAYS].tolist()
        times = self._numbers[start + 2 * WAYS : start + 3 * WAYS].tolist()
        return max(range(WAYS), key=lambda way: levels[way] - times[way] * self._rate)


def _new() -> bytes:
    return bytes(TABLE_BYTES) + os.urandom(SEED_BYTES)


def _opened(path: Path) -> int:
    """Open the file of a shared table; initialise it unless another process already has."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    if os.fstat(fd).st_size != TABLE_BYTES + SEED_BYTES:
        os.pwrite(fd, _new(), 0)
    fcntl.lockf(fd, fcntl.LOCK_UN)
    return fd


def _try_lock(fd: int, index: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index)
    except (BlockingIOError, PermissionError):  # which of them depends on the system
        return False
    return True
