"""A pool forks no process before its first job, and waits for its server without being blocked."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from tests.waiting import DEADLINE_S
from worker.pool.fork_client import ForkServer
from worker.pool.forked_pool import ForkedContext, ForkedProcess, ForkingPool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent adopt")

SERVER = """
import socket, sys, time
from pathlib import Path
with socket.socket(fileno=int(sys.argv[2])) as worker:
    while not Path(sys.argv[1]).exists():
        time.sleep(0.02)
    worker.send(b"ready")
    while worker.recv(16):
        worker.send(b"it is a test")
"""
"""A server that is ready once a file exists; it forks nothing, so processes are spawned."""


class Pool:
    """A pool and the event loop of its worker."""

    def __init__(self, server: ForkServer) -> None:
        self.server, self.hub = server, Hub()
        set_event_loop(self.hub)
        self.pool: Any = ForkingPool.Pool(
            1, threads=False, context=ForkedContext(), proc_alive_timeout=DEADLINE_S
        )
        self.pool.register_with_event_loop(self.hub)
        self.results: list[object] = []

    def run(self, job: Callable[[], object]) -> None:
        self.pool.apply_async(job, callback=self.results.append)

    def work(self, until: Callable[[], bool]) -> None:
        """Do what is due until a condition is true."""
        events, deadline = self.hub.create_loop(), time.monotonic() + DEADLINE_S
        self.hub.call_repeatedly(0.02, lambda: None)
        while not until():
            assert time.monotonic() < deadline
            next(events)


@pytest.fixture
def is_ready(tmp_path: Path) -> Path:
    """The file that makes the server ready."""
    return tmp_path / "ready"


@pytest.fixture
def pool(is_ready: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    server = ForkServer([sys.executable, "-c", SERVER, str(is_ready)])
    monkeypatch.setattr(ForkedProcess, "server", server, raising=False)
    monkeypatch.setenv("MULTIPROCESSING_FORKING_DISABLE", "1")  # as billiard does itself
    outer = get_event_loop()
    pool = Pool(server)
    yield pool
    pool.pool.terminate()
    server.close()
    pool.hub.close()
    set_event_loop(outer)


def test_a_pool_without_a_job_has_no_process_and_no_server(pool: Pool) -> None:
    pool.pool.maintain_pool()
    assert pool.server.process is None
    assert pool.pool._pool == []


def test_the_first_job_is_run_once_the_server_is_ready(pool: Pool, is_ready: Path) -> None:
    pool.run(os.getpid)
    pool.work(until=lambda: pool.server.process is not None)
    assert pool.pool._pool == []

    is_ready.touch()
    pool.work(until=lambda: bool(pool.pool._pool))
    process = pool.pool._pool[0].pid
    pool.work(until=lambda: bool(pool.results))
    assert pool.results == [process]
