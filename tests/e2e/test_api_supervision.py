"""Several processes of the API behind one port: one is killed or frozen, the others respond."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from db.schema.migration import migrate
from demo.service import free_port
from tests.processes import has_ended
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.e2e
POLL_S = 0.2
FROZEN_S = 5.0  # a process is replaced after 15 seconds without a heartbeat
COMMAND = (sys.executable, "-P", "-m", "zpruner", "part", "api")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ZPRUNER_")}
    return inherited | {
        "ZPRUNER_DATA_DIR": str(folder),
        "ZPRUNER_BROKER_URL": "redis://127.0.0.1:9/0",
        "ZPRUNER_BEAT_EVERY_S": "1",
        **settings,
    }


class Api:
    """Two processes and their supervisor."""

    def __init__(self, folder: Path) -> None:
        migrate(f"sqlite:///{folder / 'zpruner.db'}")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [*COMMAND, "--port", str(port), "--workers", "2"]
        self.supervisor = psutil.Popen(command, env=environment(folder))

    def processes(self) -> list[psutil.Process]:
        return [one for one in self.supervisor.children() if not has_ended(one.pid)]

    def pids(self) -> set[int]:
        return {one.pid for one in self.processes()}

    def responds(self, within_s: float = DEADLINE_S) -> bool:
        try:
            return self._get("/healthz", within_s).is_success
        except httpx.TransportError:
            return False

    def requests(self) -> float:
        """Return the number of requests to /healthz that its metrics count."""
        told = self._get("/metrics").text
        name = 'zpruner_http_requests_total{method="GET",route="/healthz",status="200"} '
        return float(told.partition(name)[2].split()[0])

    def _get(self, path: str, within_s: float = DEADLINE_S) -> httpx.Response:
        """Request on a new connection, which any process may accept."""
        return httpx.get(self.url + path, timeout=within_s, trust_env=False, verify=False)


@contextmanager
def running(folder: Path) -> Iterator[Api]:
    api = Api(folder)
    try:
        eventually(lambda: len(api.pids()) == 2 and api.responds())
        yield api
    finally:
        if api.supervisor.is_running():
            api.supervisor.terminate()
        api.supervisor.wait()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("api")) as api:
        yield api


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    yield
    process.resume()


def serves_alone(api: Api, process: psutil.Process) -> bool:
    """Whether a process responds while all others are frozen."""
    (other,) = (one for one in api.processes() if one.pid != process.pid)
    with frozen(other):
        responds = api.responds(FROZEN_S)
    # So that the other one has sent a heartbeat before it is frozen again.
    eventually(api.responds)
    return responds


def test_a_killed_process_is_replaced_while_the_other_responds_and_no_request_is_forgotten(
    api: Api,
) -> None:
    first, second = api.processes()
    eventually(lambda: serves_alone(api, first) and serves_alone(api, second))
    before = api.requests()

    first.kill()
    eventually(lambda: has_ended(first.pid))
    answered, deadline = 0, time.monotonic() + DEADLINE_S
    while len(api.pids()) < 2:
        assert api.responds()
        assert time.monotonic() < deadline
        answered += 1
        time.sleep(POLL_S)

    (replacement,) = (one for one in api.processes() if one.pid != second.pid)
    eventually(lambda: serves_alone(api, replacement))
    assert api.requests() > before + answered
    assert api.pids() == {second.pid, replacement.pid}


def test_a_frozen_process_is_replaced_while_the_other_responds(api: Api) -> None:
    first, second = api.processes()
    eventually(lambda: serves_alone(api, first) and serves_alone(api, second))
    first.suspend()
    eventually(lambda: first.status() == psutil.STATUS_STOPPED)

    deadline = time.monotonic() + DEADLINE_S
    while not has_ended(first.pid):
        assert api.responds()
        assert time.monotonic() < deadline
        time.sleep(POLL_S)

    eventually(lambda: len(api.pids()) == 2)
    (replacement,) = (one for one in api.processes() if one.pid != second.pid)
    eventually(lambda: serves_alone(api, replacement))


def test_a_signal_to_the_supervisor_ends_all_processes_and_removes_what_they_shared(
    api: Api,
) -> None:
    processes = api.processes()
    (folder,) = {Path(one.environ()["ZPRUNER_API_SHARED_DIR"]) for one in processes}
    assert (folder / "rate-limits").exists()

    api.supervisor.terminate()

    assert api.supervisor.wait(DEADLINE_S) == 0
    assert not any(one.is_running() for one in processes)
    assert not folder.exists()


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(
        command, env=environment(folder, **settings), cwd=folder, capture_output=True, text=True
    )


def test_an_invalid_number_of_processes_is_refused_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "--workers", "0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "api: ZPRUNER_API_WORKERS=0: Input should be" in done.stderr


def test_several_processes_are_refused_before_any_starts_where_one_would_be(tmp_path: Path) -> None:
    done = run(tmp_path, "--workers", "2")
    assert done.returncode == 2
    assert "zpruner part migrate" in done.stderr
    migrate(f"sqlite:///{tmp_path / 'zpruner.db'}")
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run(tmp_path, "--workers", "2", "--port", str(other.getsockname()[1]))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "ZPRUNER_PORT" in done.stderr
