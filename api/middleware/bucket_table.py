"""A table of token buckets with a fixed size, in memory that several processes may share."""

import fcntl
import mmap
import os
import time
from hashlib import blake2b
from pathlib import Path

SETS, WAYS = 8192, 8
WORD = 8
SET_WORDS = 3 * WAYS
"""A set has the digests of its names, then the levels of their buckets, then the times of these."""
TABLE_BYTES = SETS * SET_WORDS * WORD
SEED_BYTES = 16
LOCK_WITHIN_S = 0.05
"""A set is locked for microseconds, unless the process that locked it is stopped or gets no CPU
time. An event loop must not wait for that for long: it counts without the lock then."""
RETRY_AFTER_S = 0.0002
WAIT_AGAIN_AFTER_S = 1.0


class BucketTable:
    """Holds a bucket for each name, in one of the eight places of the set that its digest selects.

    Where all eight are in use, the fullest is replaced, because it holds the least information.

    Args:
        rate: the tokens that a bucket gets each second.
        burst: the most tokens that a bucket holds, as a new one does.
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
        """Return the number of tokens in a bucket; take one of them if there is a whole one."""
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
        """Lock a set, or give up; the system releases the locks of a killed process."""
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
    """Open a shared table; the first process writes it, or the next one if that was killed."""
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
