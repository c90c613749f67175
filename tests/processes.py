"""Signals to processes, and their states; any process may end at any moment."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil

LOCK_WITHIN_S = 2.0
TRANSACTION_S = 0.1
"""Longer than a transaction of the service takes that was suspended."""
SUSPENDED_WITHIN_S = 300.0


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants, or nothing if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def kill_tree(process: psutil.Process) -> None:
    for one in tree(process):
        with suppress(psutil.NoSuchProcess):
            one.kill()


def has_ended(pid: int) -> bool:
    """Whether a process has exited, even if its parent has not waited for it yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def suspend(processes: list[psutil.Process], data_dir: Path) -> None:
    """Suspend processes at a moment when none of them holds the lock of the service's SQLite.

    They would hold it until they continue, and everything that writes would wait for it.
    """
    deadline = time.monotonic() + SUSPENDED_WITHIN_S
    while True:
        assert time.monotonic() < deadline, "the processes hold the lock at every moment"
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        if _can_write(data_dir / "zpruner.db"):
            return
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.resume()
        time.sleep(TRANSACTION_S)


@contextmanager
def suspended(processes: list[psutil.Process], data_dir: Path) -> Iterator[None]:
    """Suspend processes during the block, as `suspend` does."""
    suspend(processes, data_dir)
    try:
        yield
    finally:
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.resume()


def job_process(job_worker: str) -> psutil.Process:
    """Return the process in a worker's name, ``host/pid``."""
    return psutil.Process(int(job_worker.rpartition("/")[2]))


def _can_write(database: Path) -> bool:
    """Whether SQLite's lock becomes free soon."""
    with closing(sqlite3.connect(database, timeout=LOCK_WITHIN_S)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True
