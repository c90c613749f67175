"""The table of token buckets: replaced buckets, and processes that share it, are killed or stop."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from api.middleware import bucket_table
from api.middleware.bucket_table import BucketTable

RATE = 1e-6
"""So slow that no token arrives during a test."""
TAKER = """
import sys, time
from pathlib import Path
from api.middleware import bucket_table
bucket_table.LOCK_WITHIN_S = 600  # this machine may be busy, but nobody is stopped
from api.middleware.bucket_table import BucketTable
file, burst, attempts = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
table = BucketTable(1e-6, burst, file)
print("ready", flush=True)
sys.stdin.readline()
print(sum(table.take("one", time.monotonic()) >= 1 for _ in range(attempts)))
"""
HOLDER = """
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX)
print("ready", flush=True)
time.sleep(600)
"""


@contextmanager
def running(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block, once it is ready."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_processes_that_share_a_table_take_exactly_the_tokens_that_there_are(
    tmp_path: Path,
) -> None:
    arguments = (tmp_path / "table", 10_000, 8_000)
    with running(TAKER, *arguments) as one, running(TAKER, *arguments) as other:
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        taken = [int(process.stdout.read()) for process in (one, other) if process.stdout]
    assert sum(taken) == 10_000
    assert all(taken)


def test_a_process_that_was_killed_keeps_no_lock(tmp_path: Path) -> None:
    table = BucketTable(RATE, 2, file := tmp_path / "table")
    assert table.take("one", 0.0) == 2
    with running(HOLDER, file) as holder:
        holder.kill()
        holder.wait()
        assert is_free(file)
    assert table.take("one", 0.0) == 1


def test_nobody_waits_for_a_process_that_stopped_with_a_lock(tmp_path: Path) -> None:
    table = BucketTable(RATE, 2, file := tmp_path / "table")
    with running(HOLDER, file) as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        while psutil.Process(holder.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        # It counts the tokens although the lock is not released, and waits only once in a while.
        assert [table.take("one", 0.0) for _ in range(4)] == [2, 1, 0, 0]
        os.kill(holder.pid, signal.SIGCONT)


def test_a_table_that_was_written_in_part_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_bytes(b"x" * 1000)  # its writer was killed
    first, second = BucketTable(RATE, 3, file), BucketTable(RATE, 3, file)
    assert (first.take("one", 0.0), second.take("one", 0.0), first.take("one", 0.0)) == (3, 2, 1)


def test_a_full_set_replaces_the_bucket_that_is_nearest_to_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bucket_table, "SETS", 1)
    table = BucketTable(RATE, 10)
    for number in range(bucket_table.WAYS):
        for _ in range(number + 1):
            table.take(str(number), 0.0)
    assert table.take("new", 0.0) == 10  # in place of "0", from which one token was taken
    assert [table.take(str(number), 0.0) for number in range(1, 8)] == list(range(8, 1, -1))


def test_the_table_does_not_grow(tmp_path: Path) -> None:
    table = BucketTable(RATE, 10, file := tmp_path / "table")
    size = file.stat().st_size
    for number in range(100_000):
        table.take(str(number), 0.0)
    assert file.stat().st_size == size < 2_000_000


def is_free(file: Path) -> bool:
    fd = os.open(file, os.O_RDWR)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
