"""A lock in the data folder, which shows whether any process may still hold a lease.

Every worker process holds the lock in shared mode while it runs a job. If the process is killed,
the system releases the lock. Whoever acquires the lock exclusively knows that no other process of
this data folder holds a lease. Jobs can then be released before their leases expire.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK = "holders.lock"
POLL_EVERY_S = 0.05


@contextmanager
def lease_holder(data_dir: Path) -> Iterator[None]:
    """Hold the lock in shared mode during the ``with`` block."""
    with _opened(data_dir) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def all_exited(data_dir: Path, timeout_s: float) -> bool:
    """Wait up to `timeout_s` seconds until no process holds the lock; return whether that is so."""
    deadline = time.monotonic() + timeout_s
    with _opened(data_dir) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(POLL_EVERY_S)
            else:
                return True


def _opened(data_dir: Path) -> IO[bytes]:
    data_dir.mkdir(parents=True, exist_ok=True)
    return (data_dir / LOCK).open("wb")
