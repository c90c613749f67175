"""A lock in the data folder, held by every process that leases jobs.

The lock is shared, and the system releases it when a process ends. A process that acquires it
exclusively knows that no process of this data folder holds a lease any more, and need not wait
until the leases expire.
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
    """Hold the shared lock inside the block."""
    with _opened(data_dir) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def all_exited(data_dir: Path, timeout_s: float) -> bool:
    """Wait up to `timeout_s` for all lease holders to end; return whether they have."""
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
