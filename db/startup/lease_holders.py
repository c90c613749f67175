"""Which processes may hold leases: those that hold a lock in the data folder, which dies with them.

The lock is shared. Who gets it exclusively knows that every process that held a lease with this
data folder is dead, and need not wait until the leases end.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK = "holders.lock"
LOOK_EVERY_S = 0.05


@contextmanager
def lease_holder(data_dir: Path) -> Iterator[None]:
    """Be one of the processes that may hold leases, for the length of a block."""
    with _opened(data_dir) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def all_exited(data_dir: Path, timeout_s: float) -> bool:
    """Whether all of them are dead, at the latest after a while; killed ones need a moment."""
    deadline = time.monotonic() + timeout_s
    with _opened(data_dir) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(LOOK_EVERY_S)
            else:
                return True


def _opened(data_dir: Path) -> IO[bytes]:
    data_dir.mkdir(parents=True, exist_ok=True)
    return (data_dir / LOCK).open("wb")
