"""A worker writes itself down, and hears when it is to take nothing new."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import pytest
import torch
from sqlalchemy import delete

from db.core.session import Sessions
from db.events.history import attempts
from db.events.job_events import EventRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Worker
from tests.factories import make_job, make_worker
from tests.waiting import DEADLINE_S, eventually
from tests.worker.rows import read
from tests.worker.work import work
from worker.attempts.run import Runner
from worker.device import Device, detect_in_subprocess
from worker.pool.heartbeat import WorkerHeartbeat
from worker.pool.usage import Usage

ID = "wrk_" + "a" * 32


@pytest.fixture
def drains() -> list[bool]:
    return []


@pytest.fixture
def heartbeat(sessions: Sessions, drains: list[bool]) -> Iterator[WorkerHeartbeat]:
    heartbeat = WorkerHeartbeat(
        sessions,
        ID,
        "gpu@test",
        ["gpu"],
        detect_device=lambda: Device("cpu", 1 << 34),
        measure_usage=lambda device: Usage(0.5, 1 << 30, None),
        on_drain=drains.append,
        every_s=0.02,
    )
    heartbeat.start()
    yield heartbeat
    heartbeat.stop()


def rows(sessions: Sessions) -> list[Worker]:
    with sessions() as session:
        return [one.worker for one in WorkerRepository(session).all()]


@pytest.mark.usefixtures("heartbeat")
def test_a_worker_registers_itself_and_renews_its_heartbeat(sessions: Sessions) -> None:
    eventually(lambda: rows(sessions)[0].device is not None)
    (first,) = rows(sessions)
    assert (first.id, first.name, first.queues) == (ID, "gpu@test", ["gpu"])
    assert (first.device, first.memory_bytes) == ("cpu", 1 << 34)
    assert first.extras is not None
    assert first.extras["eval"] == version("lm_eval")
    assert first.own_tasks is False
    eventually(lambda: rows(sessions)[0].heartbeat_at > first.heartbeat_at)
    assert rows(sessions)[0].started_at == first.started_at


def test_two_running_workers_of_one_machine_have_different_names(sessions: Sessions) -> None:
    def start(worker_id: str) -> WorkerHeartbeat:
        heartbeat = WorkerHeartbeat(
            sessions,
            worker_id,
            "gpu@test",
            ["gpu"],
            detect_device=lambda: Device("cpu", 1 << 34),
            measure_usage=lambda device: Usage(None, None, None),
            on_drain=lambda _: None,
        )
        heartbeat.start()
        return heartbeat

    here = {"hostname": socket.gethostname(), "id": "wrk_" + "b" * 32}
    for pid, names in ((os.getppid(), ["gpu-2@test", "gpu@test"]), (2**22 + 1, ["gpu@test"])):
        with sessions.begin() as session:
            WorkerRepository(session).register(make_worker("gpu@test", pid=pid, **here))
        heartbeat = start(ID)
        assert [one.name for one in rows(sessions)] == names
        heartbeat.stop()


@pytest.mark.usefixtures("heartbeat")
def test_a_worker_is_notified_once_of_each_change_of_draining(
    sessions: Sessions, drains: list[bool]
) -> None:
    for draining in (True, False):
        with sessions.begin() as session:
            WorkerRepository(session).set_draining(ID, draining)
        eventually(lambda now=draining: drains[-1:] == [now])  # type: ignore[misc] # a lambda's default
    time.sleep(0.1)
    assert drains == [True, False]


@pytest.mark.usefixtures("heartbeat")
def test_a_worker_whose_row_was_deleted_registers_itself_again(sessions: Sessions) -> None:
    eventually(lambda: rows(sessions)[0].device is not None)
    with sessions.begin() as session:
        session.execute(delete(Worker))
    eventually(lambda: bool(rows(sessions)))
    assert rows(sessions)[0].device == "cpu"


def test_a_worker_that_ends_is_deleted_from_the_list(
    sessions: Sessions, heartbeat: WorkerHeartbeat
) -> None:
    heartbeat.stop()
    heartbeat._beat()  # one that was delayed
    assert rows(sessions) == []


def test_a_worker_works_even_if_its_device_cannot_be_detected(sessions: Sessions) -> None:
    def detect() -> Device:
        raise subprocess.CalledProcessError(1, "torch")

    registered = threading.Event()
    heartbeat = WorkerHeartbeat(
        sessions,
        ID,
        "gpu@test",
        ["gpu"],
        detect_device=detect,
        measure_usage=lambda _: Usage(),
        on_drain=lambda _: registered.set(),
        every_s=0.02,
    )
    heartbeat.start()
    with sessions.begin() as session:
        WorkerRepository(session).set_draining(ID, True)
    assert registered.wait(DEADLINE_S)
    assert rows(sessions)[0].device is None
    heartbeat.stop()


def test_the_device_is_the_one_that_torch_would_take() -> None:
    command = [sys.executable, "-m", "worker.device", "auto"]
    torch_s = subprocess.run(command, capture_output=True, text=True, check=True)
    assert detect_in_subprocess("auto") == Device(**json.loads(torch_s.stdout))
    assert detect_in_subprocess("cpu").name == "cpu"
    assert detect_in_subprocess("cpu").memory_bytes > 1 << 28


@pytest.mark.gpu
def test_a_gpu_is_named_with_its_own_memory() -> None:
    found = detect_in_subprocess("auto")
    assert found.name.startswith("cuda: ")
    assert found.memory_bytes == torch.cuda.get_device_properties(0).total_memory


def test_detecting_the_device_does_not_import_torch_in_this_process() -> None:
    code = "import sys, worker.device, worker.pool.heartbeat; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("heartbeat")
def test_a_job_names_the_device_of_its_worker_while_it_runs_and_afterwards(
    sessions: Sessions, runner: Callable[..., Runner]
) -> None:
    eventually(lambda: rows(sessions)[0].device is not None)
    job, seen = make_job(sessions), []
    prune = work(1, before=lambda _: seen.append(read(sessions, job.id).device))
    runner(prune, worker_id=ID).run(job.id)
    assert (seen, read(sessions, job.id).device) == (["cpu"], "cpu")
    with sessions() as session:
        (attempt,) = attempts(EventRepository(session).milestones(job.id))
    assert attempt.device == "cpu"


def test_any_message_starts_the_most_urgent_job(
    sessions: Sessions, runner: Callable[..., Runner]
) -> None:
    other, urgent = make_job(sessions), make_job(sessions, priority=3)
    run = runner(work(), queues=("gpu",))
    run.run(other.id)
    assert [read(sessions, job.id).status for job in (other, urgent)] == ["queued", "succeeded"]
    run.run(urgent.id)
    assert read(sessions, other.id).status == "succeeded"


def test_the_worker_that_holds_a_job_is_known_and_a_draining_one_holds_none(
    sessions: Sessions, runner: Callable[..., Runner]
) -> None:
    seen: list[str | None] = []

    def check(_: int) -> None:
        with sessions() as session:
            seen.append(WorkerRepository(session).get(ID).job_id)

    with sessions.begin() as session:
        worker = Worker(id=ID, name="a", hostname="a", pid=1, queues=["gpu"], version="1")
        WorkerRepository(session).register(worker)
    first, second = make_job(sessions), make_job(sessions)
    run = runner(work(1, before=check), worker_id=ID, queues=("gpu",))
    run.run(first.id)
    assert seen == [first.id]
    with sessions.begin() as session:
        WorkerRepository(session).set_draining(ID, True)
    run.run(second.id)
    assert read(sessions, second.id).status == "queued"
    with sessions() as session:
        assert QueueRepository(session).has_runnable(["gpu"])
