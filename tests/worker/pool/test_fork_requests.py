"""A program that the fork server runs for `control` is killed, ends and fails like a child."""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from kombu.asynchronous import Hub

from db.startup import fork_requests
from tests.processes import has_ended
from tests.waiting import DEADLINE_S, eventually
from tests.worker.pool import bare_server
from worker.pool import forked_program
from worker.pool.fork_client import ForkServer
from worker.pool.fork_requests import ForkRequests
from worker.pool.forked_program import ForkedProgram

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent adopt")

PROGRAMS = {
    "ends": "",
    "fails": "raise ValueError('it is a test')",
    "waits": "import time; time.sleep(600)",
}


class Worker:
    """The event loop of a worker, with a fork server and the other end of `control`'s socket."""

    def __init__(self, refusal: str | None = None) -> None:
        self._hub = Hub()
        self.server = ForkServer(bare_server.command(refusal))
        self._sockets = fork_requests.connected()

    def __enter__(self) -> "Worker":
        self.requests, theirs = self._sockets.__enter__()
        theirs.setblocking(False)
        self._receiver = ForkRequests(self.server, theirs)
        self.connect_to_broker()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self._hub.close()
        self._sockets.__exit__(None, None, None)

    def connect_to_broker(self) -> None:
        """Do what Celery does with its event loop before each connection."""
        self._hub.reset()
        self._receiver.receive_in(self._hub)
        self._hub.call_repeatedly(0.02, lambda: None)
        self._events = self._hub.create_loop()

    def work(self, until: Callable[[], bool]) -> None:
        """Do what is due until a condition is true."""
        deadline = time.monotonic() + DEADLINE_S
        while not until():
            assert time.monotonic() < deadline
            next(self._events)

    def run(self, name: str) -> ForkedProgram:
        """Return a program that runs, or has ended."""
        program = ForkedProgram(self.requests, f"program_that_{name}")
        self.work(until=lambda: program.poll() is not None or program.has_started)
        return program

    def run_to_end(self, name: str) -> ForkedProgram:
        program = self.run(name)
        self.work(until=lambda: program.poll() is not None)
        return program

    def runs_a_program(self) -> bool:
        """Whether the server has a child; while it starts, it has one that runs no program."""
        server = self.server
        return bool(server.process and not server.is_starting() and self.processes())

    def processes(self) -> list[int]:
        assert self.server.process is not None
        return [one.pid for one in psutil.Process(self.server.process.pid).children()]


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that a fork server can import."""
    for name, code in PROGRAMS.items():
        (tmp_path / f"program_that_{name}.py").write_text(f"def main():\n    0; {code}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


@pytest.mark.parametrize(("name", "code"), [("ends", 0), ("fails", 1)])
def test_the_exit_code_of_a_program_is_known(worker: Worker, name: str, code: int) -> None:
    program = worker.run_to_end(name)
    assert (program.has_started, program.poll()) == (True, code)


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_killed_program_has_ended(worker: Worker, is_frozen: bool) -> None:
    program = worker.run("waits")
    [process] = worker.processes()
    if is_frozen:
        os.kill(process, signal.SIGSTOP)
    program.kill()
    assert program.poll() == -signal.SIGKILL
    eventually(lambda: has_ended(process))


def test_a_program_whose_owner_is_killed_ends(worker: Worker) -> None:
    with owner(worker) as pid:
        worker.work(until=worker.runs_a_program)
        [process] = worker.processes()
        assert not has_ended(process)
        os.kill(pid, signal.SIGKILL)
        worker.work(until=lambda: has_ended(process))


@contextmanager
def owner(worker: Worker) -> Iterator[int]:
    """Fork a process that has a program run, and waits; yield its id."""
    pid = os.fork()
    if not pid:
        try:
            ForkedProgram(worker.requests, "program_that_waits")
            time.sleep(DEADLINE_S)
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_program_ends_with_the_fork_server_and_the_next_one_is_run_by_a_new_server(
    worker: Worker,
) -> None:
    program = worker.run("waits")
    [process] = worker.processes()
    assert worker.server.process is not None
    worker.server.process.kill()
    worker.work(until=lambda: program.poll() is not None)
    assert program.poll() == -signal.SIGKILL
    eventually(lambda: has_ended(process))

    again = worker.run("waits")
    assert again.has_started
    assert worker.processes() != [process]
    again.kill()


def test_a_program_that_the_server_refuses_to_run_has_not_started() -> None:
    with Worker(refusal="it is a test") as worker:
        program = worker.run("waits")
        assert (program.has_started, program.poll()) == (False, -signal.SIGKILL)


def test_requests_are_received_after_a_new_connection_to_the_broker_too(worker: Worker) -> None:
    waiting = ForkedProgram(worker.requests, "program_that_ends")
    worker.work(until=lambda: worker.server.process is not None)
    worker.connect_to_broker()
    worker.work(until=lambda: waiting.poll() is not None)
    assert (waiting.poll(), worker.run_to_end("ends").poll()) == (0, 0)


def test_a_program_that_was_killed_before_it_started_never_starts(worker: Worker) -> None:
    ForkedProgram(worker.requests, "program_that_waits").kill()
    worker.work(until=lambda: worker.server.process is not None)
    worker.work(until=lambda: not worker.server.is_starting())
    worker.run_to_end("ends")  # it comes later
    worker.work(until=lambda: all(has_ended(process) for process in worker.processes()))


def test_a_program_whose_owner_has_just_ended_does_not_start() -> None:
    (owner, alive), (read, status) = os.pipe(), os.pipe()
    os.close(alive)
    if not (pid := os.fork()):
        forked_program.run("program_that_ends", owner, status)
    os.waitpid(pid, 0)
    assert os.read(read, 9) == b"\x01"
    for fd in (owner, read, status):
        os.close(fd)


def test_a_worker_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_program, "START_WITHIN_S", 0.0)
    with fork_requests.connected() as (ours, _theirs):
        program = ForkedProgram(ours, "program_that_waits")
        assert (program.poll(), program.has_started) == (-signal.SIGKILL, False)


def test_programs_leave_no_file_open_in_their_owner_and_in_the_worker(worker: Worker) -> None:
    worker.server.start()
    worker.work(until=lambda: not worker.server.is_starting())
    assert worker.server.process is not None
    gc.collect()  # or it closes files of earlier tests later
    processes = [psutil.Process(), psutil.Process(worker.server.process.pid)]
    before = [one.num_fds() for one in processes]
    for _ in range(3):
        worker.run("waits").kill()
        worker.run_to_end("fails")
    with fork_requests.connected() as (ours, theirs):
        theirs.close()
        with pytest.raises(OSError, match="Broken pipe"):
            ForkedProgram(ours, "program_that_waits")
    eventually(lambda: [one.num_fds() for one in processes] == before)
