"""A forked process is as good as a spawned one, and a broken server costs no process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from billiard import popen_spawn_posix, semaphore_tracker
from billiard.context import SpawnProcess
from kombu.utils.imports import symbol_by_name

from db.core.operator_keys import BUCKET_KEYS, NAMES
from tests.busy import ON_ONE_CORE, SPINNING, running
from tests.chaos.inputs import write_inputs
from tests.factories import make_spec
from tests.processes import has_ended
from tests.waiting import DEADLINE_S, eventually
from tests.worker import forked
from tests.worker.pool import bare_server
from worker.jobs.resources import Resources
from worker.pool import fork_client, forked_pool
from worker.pool.celery_options import celery_options
from worker.pool.fork_client import COMMAND, ForkServer, ForkServerError
from worker.pool.forked_pool import ForkedPopen, ForkedProcess, ForkingPool
from worker.pool.patient_pool import PatientPool
from worker.settings import WorkerSettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent adopt")

CANARY = "canary-of-the-operator"
KEYS = dict.fromkeys(NAMES, CANARY) | {
    "ZPRUNER_BROKER_URL": f"redis://:{CANARY}@127.0.0.1:1/0",
    "ZPRUNER_DATABASE_URL": f"postgresql+psycopg://user:{CANARY}@127.0.0.1:1/zpruner",
}
OWNER = """
import time
from worker.pool.fork_client import ForkServer
from tests.worker.pool import bare_server
server = ForkServer(bare_server.command())
server.start()
while server.is_starting():
    time.sleep(0.02)
print(server.process.pid, flush=True)
time.sleep(600)
"""

SLOW_START = """
import socket, sys, time
from worker.pool.fork_client import READY
from pathlib import Path
def waited_s():
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
while waited_s() < 5:
    pass
with socket.socket(fileno=int(sys.argv[1])) as worker:
    worker.send(READY)
    worker.recv(16)
    worker.send(b"it is a test")
"""


@contextmanager
def patient_server(command: Sequence[str] = COMMAND) -> Iterator[ForkServer]:
    """A server that is ready, and is waited for, however busy the machine is."""
    os.environ["MULTIPROCESSING_FORKING_DISABLE"] = "1"  # as billiard does at its first spawning
    with pytest.MonkeyPatch.context() as patch, closing(ForkServer(command)) as server:
        patch.setattr(ForkedProcess, "server", server, raising=False)
        for name, value in KEYS.items():
            patch.setenv(name, value)
        for name in ("START_TIMEOUT_S", "RESPONSE_TIMEOUT_S"):
            patch.setattr(fork_client, name, float(DEADLINE_S))
        make_ready(server)
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with patient_server() as server:
        yield server


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Resources:
    inputs = tmp_path_factory.mktemp("inputs")
    write_inputs(inputs)
    return Resources(model_roots=(inputs,), dataset_roots=(inputs,), device="cpu")


@pytest.fixture
def bare() -> Iterator[ForkServer]:
    with patient_server(bare_server.command()) as server:
        yield server


def make_ready(server: ForkServer) -> None:
    server.start()
    eventually(lambda: not server.is_starting())


def run(kind: Any, target: Any, *arguments: Any) -> Any:
    """Run a process to its end."""
    process = kind(target=target, args=arguments)
    process.start()
    process.join(DEADLINE_S)
    return process


def report(
    kind: Any, resources: Resources, folder: Path
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what a process says, and the files it has made."""
    folder.mkdir()
    spec = make_spec(model="local:dense", dataset="local:rows.jsonl", sparsity=0.5, method="wanda")
    assert run(kind, forked.work, spec, resources, folder).exitcode == 0
    made = {path.name: path.read_bytes() for path in (folder / "out").glob("*.safetensors")}
    return json.loads((folder / "report.json").read_text()), made


def test_a_forked_process_has_the_environment_and_results_of_a_spawned_one(
    server: ForkServer, resources: Resources, tmp_path: Path
) -> None:
    spawned, expected = report(SpawnProcess, resources, tmp_path / "spawned")
    first, made = report(ForkedProcess, resources, tmp_path / "first")
    second, made_again = report(ForkedProcess, resources, tmp_path / "second")

    assert [one["was loaded"] for one in (spawned, first, second)] == [False, True, True]
    assert first["found"] == second["found"] == spawned["found"]
    assert first["found"]["parent"] == os.getpid()
    assert first["alone"] == second["alone"] == 1
    assert not set(first["drawn"]) & set(second["drawn"])
    assert expected
    assert made == made_again == expected


@pytest.mark.parametrize("kind", [SpawnProcess, ForkedProcess])
def test_a_process_of_jobs_keeps_the_operators_keys_out_of_its_environment(
    server: ForkServer, kind: Any, tmp_path: Path
) -> None:
    assert run(kind, forked.begin_job, tmp_path).exitcode == 0
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found.pop("kept") == str([CANARY, dict.fromkeys(BUCKET_KEYS, CANARY)])
    assert found.keys() == {"os", "proc", "child"}
    for text in found.values():
        assert "PATH" in text
        assert CANARY not in text


@pytest.mark.parametrize(("handler", "code"), [(signal.SIG_IGN, 0), (signal.SIG_DFL, 1)])
def test_a_forked_process_ignores_interrupts_only_if_its_worker_does(
    handler: signal.Handlers, code: int
) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        with patient_server(bare_server.command()):
            process = run(ForkedProcess, forked.interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.exitcode == code


@pytest.mark.parametrize("code", [0, 3, -signal.SIGKILL])
def test_the_exit_code_of_a_forked_process_is_known(server: ForkServer, code: int) -> None:
    process = run(ForkedProcess, forked.end, code)
    assert isinstance(process._popen, ForkedPopen)
    assert process.exitcode == code


def test_a_process_that_is_not_a_child_of_the_worker_is_killed(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_client, "_SET_CHILD_SUBREAPER", -1)  # as where the kernel has none
    end, until_the_end = os.pipe()
    data, write = os.pipe()
    with pytest.raises(ForkServerError, match="not children of the worker"):
        server.fork([data, until_the_end, semaphore_tracker.getfd()])
    os.close(until_the_end)
    assert os.read(end, 1) == b"", "it has written"  # and while it lives, this waits
    for fd in (end, data, write):
        os.close(fd)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_frozen_server_is_replaced_and_a_process_spawned_meanwhile(
    bare: ForkServer,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert run(ForkedProcess, forked.end, 3).exitcode == 3
    assert bare.process is not None
    broken = bare.process.pid
    os.kill(broken, number)

    with monkeypatch.context() as patch:  # a server that is not broken may be slower than that
        patch.setattr(fork_client, "RESPONSE_TIMEOUT_S", 1.0)
        meanwhile = run(ForkedProcess, forked.end, 3)
    make_ready(bare)
    again = run(ForkedProcess, forked.end, 3)

    assert [type(one._popen) for one in (meanwhile, again)] == [
        popen_spawn_posix.Popen,
        ForkedPopen,
    ]
    assert [one.exitcode for one in (meanwhile, again)] == [3, 3]
    [line] = [one.getMessage() for one in caplog.records if one.name == forked_pool.__name__]
    assert line.startswith("the fork server is restarted: ")
    assert not psutil.pid_exists(broken)


def test_a_server_whose_imports_hang_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_client, "START_TIMEOUT_S", 0.2)
    server = ForkServer([sys.executable, "-c", "import time; time.sleep(60)"])
    with closing(server):
        make_ready(server)
        for _ in range(2):
            with pytest.raises(ForkServerError, match="is not ready yet"):
                server.fork([])
        assert server.process is not None
        first = server.process.pid
        monkeypatch.setattr(fork_client, "REPLACE_AFTER_S", 0.0)
        with pytest.raises(ForkServerError, match="is restarted"):
            server.fork([])
        assert server.process.pid != first


def test_a_server_that_starts_slowly_on_a_busy_machine_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_client, "START_TIMEOUT_S", 4.0)
    slow = [*ON_ONE_CORE, "nice", "-n", "10", sys.executable, "-c", SLOW_START]
    with running(*ON_ONE_CORE, *SPINNING), closing(ForkServer(slow)) as server:
        began = time.monotonic()
        make_ready(server)
        with pytest.raises(ForkServerError, match="refuses to fork: it is a test"):
            server.fork([])
        assert time.monotonic() - began > 4.0


def test_a_server_that_ends_while_it_starts_is_not_waited_for() -> None:
    with closing(ForkServer([sys.executable, "-c", ""])) as server:
        make_ready(server)
        with pytest.raises(ForkServerError, match="is restarted: it has ended"):
            server.fork([])


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_server_ends_with_its_worker(is_frozen: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        if is_frozen:
            server.suspend()
        owner.kill()
    eventually(lambda: has_ended(server.pid))


def test_a_process_with_threads_open_files_or_other_processors_is_not_forked() -> None:
    script = """
import os, socket, sys, threading
from worker.pool import fork_server
known = {0, 1, 2}
assert fork_server.refusal(known) is None, fork_server.refusal(known)
with socket.socket() as opened:
    assert "has opened" in fork_server.refusal(known)
    assert fork_server.refusal({*known, opened.fileno()}) is None
cores, fork_server.CORES = fork_server.CORES, set()
assert "set of processors has changed" in fork_server.refusal(known)
fork_server.CORES = cores
wait = threading.Event()
thread = threading.Thread(target=wait.wait)
thread.start()
assert "2 threads" in fork_server.refusal(known)
wait.set()
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


@pytest.mark.parametrize(
    ("fork_server", "device", "forks"),
    [
        ("auto", "cpu", True),
        ("auto", "cuda", False),
        ("always", "cuda", True),
        ("never", "cpu", False),
    ],
)
def test_processes_are_forked_for_the_cpu_and_for_a_gpu_by_setting(
    fork_server: str, device: str, forks: bool
) -> None:
    settings = WorkerSettings.model_validate({"fork_server": fork_server, "device": device})
    pool = symbol_by_name(celery_options(settings)["worker_pool"])
    assert pool is (ForkingPool if forks else PatientPool)
    assert issubclass(pool.Pool, PatientPool.Pool)
