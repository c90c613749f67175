"""The whole service, while its broker, its database, its API and its worker fail under it."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import redis

from db.core.session import open_sessions
from tests.chaos.restarts import wait_for_answer
from tests.chaos.tally import Tally
from tests.e2e.embedded import FEW_WINDOWS, Service, ends, is_in_the_middle, serving, submit, until
from tests.e2e.limits import LONG_LEASE
from tests.factories import expire_lease
from tests.processes import has_ended, job_process, kill_tree, suspend
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client, Job
from zpruner.client.transport.errors import ServiceError
from zpruner.serve.embedded_broker import broker_command

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(1800)]  # above its waits
PARTS = ("worker.program", "worker.control.process", "api.program")
FORK_SERVER_REPLACED = "the fork server is restarted"
FORK_SERVER_FAULTS = (
    (signal.SIGKILL, "fork server killed"),
    (signal.SIGSTOP, "fork server frozen"),
)
"""One for each database, which has no part in them."""


class Broker:
    """A Redis-compatible server that outlives nothing and can be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"redis+socket://{folder / 'broker.sock'}"
        self.start()

    def start(self) -> None:
        (self._folder / "broker.sock").unlink(missing_ok=True)
        self._process = subprocess.Popen(broker_command(self._folder), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_S
        while not (self._folder / "broker.sock").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def flush(self) -> None:
        client = redis.Redis(unix_socket_path=str(self._folder / "broker.sock"))
        with client:
            client.flushall()


class Scene:
    """A running service and what it hangs on."""

    def __init__(self, service: Service, broker: Broker, postgres: Path | None) -> None:
        self.service, self.broker, self.postgres = service, broker, postgres

    def process(self, module: str) -> psutil.Process:
        """Return the process of one part of the service, which may just be restarted."""
        deadline = time.monotonic() + DEADLINE_S
        while not (found := self.service.processes(module)):
            assert time.monotonic() < deadline, module
            time.sleep(0.1)
        return found[0]

    def end_lease(self, job: Job) -> None:
        """End a job's lease, as if it had lasted long enough."""
        sqlite = f"sqlite:///{self.service.data_dir / 'zpruner.db'}"
        sessions = open_sessions(sqlite if self.postgres is None else postgres_url(self.postgres))
        expire_lease(sessions, job.id)
        sessions.kw["bind"].dispose()


def postgres_url(folder: Path) -> str:
    return f"postgresql+psycopg://postgres@/migrated?host={folder}"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, inputs: Path
) -> Iterator[Scene]:
    data = tmp_path_factory.mktemp("d")
    settings, postgres = LONG_LEASE | {"ZPRUNER_BEAT_EVERY_S": "5"}, None
    with ExitStack() as stack:
        broker = Broker(tmp_path_factory.mktemp("b"))
        stack.callback(broker.kill)
        settings["ZPRUNER_BROKER_URL"] = broker.url
        if request.param == "postgres":
            postgres = request.getfixturevalue("postgres")
            settings["ZPRUNER_DATABASE_URL"] = postgres_url(postgres)
        yield Scene(stack.enter_context(serving(data, inputs, **settings)), broker, postgres)


@pytest.fixture
def client(scene: Scene) -> Iterator[Client]:
    with Client(scene.service.url) as client:
        yield client


def running(client: Client) -> Job:
    """Return a job in the middle of its work."""
    job = submit(client, "slow", samples=FEW_WINDOWS)
    return until(client, job.id, is_in_the_middle)


def holds(
    client: Client, tally: Tally, fault: str, *job_ids: str, within_s: float = DEADLINE_S
) -> None:
    """Check that all these jobs end well, once each."""
    tally.fault(fault)
    wait_for_answer(client)
    for job_id in job_ids:
        job = waited(client, job_id, within_s)
        finals = ends(client, job_id)
        if (job.status, finals) != ("succeeded", ["succeeded"]):
            tally.check(fault, [f"{job_id} is {job.status} after {finals}: {job.error}"])
    assert tally.violations == []


def waited(client: Client, job_id: str, within_s: float) -> Job:
    """Return a job that has ended; the first request may meet a new failure."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return client.jobs.wait(job_id, timeout_s=within_s)
        except ServiceError as error:
            if error.is_refusal or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("scene", ["sqlite"], indirect=True)
def test_a_broker_that_is_killed_loses_no_job(scene: Scene, client: Client, tally: Tally) -> None:
    job = running(client)
    scene.broker.kill()
    accepted = submit(client, "tiny", samples=2)
    scene.broker.start()
    holds(client, tally, "broker killed", job.id, accepted.id)


@pytest.mark.parametrize("scene", ["postgres"], indirect=True)
def test_a_broker_that_is_killed_and_emptied_loses_no_job(
    scene: Scene, client: Client, tally: Tally
) -> None:
    job = running(client)
    scene.broker.kill()
    tally.fault("broker killed")
    accepted = submit(client, "tiny", samples=2)
    scene.broker.start()
    waiting = submit(client, "tiny", samples=2)
    scene.broker.flush()
    holds(client, tally, "broker flushed", job.id, accepted.id, waiting.id)


@pytest.mark.parametrize("scene", ["postgres"], indirect=True)
def test_a_database_that_restarts_is_waited_for(scene: Scene, client: Client, tally: Tally) -> None:
    assert scene.postgres is not None
    job = running(client)
    crash(scene.postgres)
    holds(client, tally, "database restarted", job.id)


def test_a_worker_suspended_past_its_lease_does_no_harm_when_it_continues(
    scene: Scene, client: Client, tally: Tally
) -> None:
    job = running(client)
    assert job.worker is not None
    process = job_process(job.worker)
    if scene.postgres is None:
        suspend([process], scene.service.data_dir)
    else:
        process.suspend()  # PostgreSQL releases the locks of a suspended process by itself
    try:
        scene.end_lease(job)
        until(client, job.id, lambda job: job.status == "queued" or job.attempt > 1)
    finally:
        process.resume()
    holds(client, tally, "worker process frozen", job.id)


@pytest.mark.parametrize("scene", ["postgres"], indirect=True)
def test_a_killed_control_process_is_restarted(scene: Scene, client: Client, tally: Tally) -> None:
    job = running(client)
    kill_tree(scene.process("worker.control.process"))
    kill_tree(scene.service.worker())
    scene.end_lease(job)
    holds(client, tally, "control process and worker processes killed", job.id)


@pytest.mark.parametrize("scene", ["sqlite"], indirect=True)
def test_parts_that_hang_are_restarted_and_their_job_ends_once(
    scene: Scene, client: Client, tally: Tally
) -> None:
    job, parts = running(client), [scene.process(name) for name in PARTS]
    suspend(parts, scene.service.data_dir)
    eventually(lambda: all(has_ended(one.pid) for one in parts))
    wait_for_answer(client)
    scene.end_lease(job)  # its process was not frozen, and may have ended it before
    waiting = submit(client, "tiny", samples=2)
    holds(client, tally, "parts of a service frozen", job.id, waiting.id)
    assert client.jobs.get(job.id).attempt in {1, 2}
    assert scene.service.log().count("has sent no heartbeat for") >= len(PARTS)


def test_a_failed_fork_server_is_replaced_without_the_loss_of_a_job(
    scene: Scene, client: Client, tally: Tally
) -> None:
    number, fault = FORK_SERVER_FAULTS[scene.postgres is not None]
    job = running(client)
    failed, warnings = fork_server(scene), scene.service.log().count(FORK_SERVER_REPLACED)
    failed.send_signal(number)
    waiting = submit(client, "tiny", samples=2)
    holds(client, tally, fault, job.id, waiting.id)
    assert client.jobs.get(job.id).attempt == 1, "a job that was running was disturbed"
    assert scene.service.log().count(FORK_SERVER_REPLACED) == warnings + 1
    assert fork_server(scene) != failed


def fork_server(scene: Scene) -> psutil.Process:
    """Return the process that the worker's others are forked from, and whose command they have."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        children = scene.service.worker().children()
        with suppress(psutil.Error):  # one that has ended is there until the worker sees it
            alike = [one for one in children if "fork_server" in " ".join(one.cmdline())]
            return min(alike, key=psutil.Process.create_time)
        assert time.monotonic() < deadline, children
        time.sleep(0.1)


def crash(postgres: Path) -> None:
    """Kill one of a server's processes: it then drops all connections and starts anew."""
    server = next(
        one
        for one in psutil.process_iter(["name", "cmdline"])
        if one.info["name"] == "postgres" and str(postgres) in " ".join(one.info["cmdline"] or [])
    )
    # The oldest one: the last one may be of a client, and end by itself.
    min(server.children(), key=psutil.Process.create_time).kill()
