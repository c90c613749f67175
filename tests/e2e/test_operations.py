"""Operation of the whole service: logs, metrics, priorities, draining."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import pytest

from api.services.broker import Broker
from tests.e2e.embedded import REQUEST_S, Service, is_in_the_middle, submit, until
from tests.processes import tree
from tests.waiting import DEADLINE_S, eventually
from worker.settings import WorkerSettings
from zpruner import Client, Worker

pytestmark = pytest.mark.e2e
T = TypeVar("T")
AUTOGROUP = Path("/proc/self/autogroup")


def worker(client: Client) -> Worker:
    (found,) = client.workers.list()
    return found


def test_a_job_produces_a_log_metrics_and_structured_log_lines(
    service: Service, client: Client
) -> None:
    eventually(lambda: worker(client).device == "cpu")
    job = submit(client, "slow", samples=4)
    eventually(lambda: worker(client).job_id == job.id)
    messages = [line.message for line in client.jobs.logs(job.id, follow=True)]

    assert messages[0].startswith("attempt 1 begins on ")
    assert any(
        line.startswith("block 16 of 16 (model.layers.15): sparsity 0.5000") for line in messages
    )
    assert messages[-1].startswith("attempt 1 succeeded")
    # Until its next heartbeat, a worker on a busy machine may be called silent.
    eventually(lambda: worker(client).state == "idle")
    assert 'zpruner_jobs{method="zpruner",status="succeeded"}' in figures(service)
    idle = 'zpruner_workers{queue="gpu",state="idle"} 1.0'
    eventually(lambda: idle in figures(service))
    ours = [json.loads(line) for line in service.log_lines() if line.startswith("{")]
    of_job = [line for line in ours if line.get("job_id") == job.id]
    (begun,) = [line for line in of_job if line["message"] == messages[0]]
    assert (begun["attempt"], begun["logger"]) == (1, "worker.attempts.run")


def figures(service: Service) -> str:
    return httpx.get(f"{service.url}/metrics", timeout=REQUEST_S).text


def test_only_threads_that_compute_have_a_lower_priority(service: Service, client: Client) -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)  # the tests may run at a lower priority themselves
    job = until(client, submit(client, "slow", samples=32).id, is_in_the_middle)
    pid = int((client.jobs.get(job.id).worker or "").rpartition("/")[2])
    assert pid in [one.pid for one in tree(service.worker())]
    of_job = niceness(pid)
    client.jobs.cancel(job.id)
    assert set(of_job.values()) == {mine, max(mine, WorkerSettings().worker_nice)}
    assert of_job[pid] == mine  # the main thread, which writes to the database
    others = [
        one for one in service.processes() if one.pid != pid and one not in service.estimators()
    ]
    assert {nice for one in others for nice in niceness(one.pid).values()} == {mine}


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this system does not group by session")
def test_all_parts_are_in_one_group_in_which_their_niceness_counts(service: Service) -> None:
    groups = set(of_each(service.processes(), group))
    assert groups == {AUTOGROUP.read_text().strip()}


def niceness(pid: int) -> dict[int, int]:
    """Return the niceness of each thread of a process."""
    found: dict[int, int] = {}
    with suppress(FileNotFoundError):  # the process has just ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):  # the thread has just ended
                found[int(thread.name)] = os.getpriority(os.PRIO_PROCESS, int(thread.name))
    return found


def of_each(processes: list[psutil.Process], read: Callable[[psutil.Process], T]) -> list[T]:
    """Return what is read of each process; one of an ended job may end meanwhile."""
    found = []
    for one in processes:
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            found.append(read(one))
    return found


def group(process: psutil.Process) -> str:
    """Return the group of processes between which the system shares out its processors."""
    return Path(f"/proc/{process.pid}/autogroup").read_text().strip()


def test_a_drained_worker_claims_nothing_and_later_the_most_urgent_job_first(
    service: Service, client: Client
) -> None:
    client.workers.drain(worker(client).id)
    eventually(lambda: "Canceling queue gpu" in service.log())
    jobs = [submit(client, "tiny", samples=4, priority=priority) for priority in (0, 5, -1)]
    # It is there, and would claim a job at once if it took any.
    eventually(lambda: worker(client).heartbeat_at > jobs[-1].created_at)
    assert {client.jobs.get(job.id).status for job in jobs} == {"queued"}
    assert client.workers.queues()[0].depth == 3

    client.workers.undrain(worker(client).id)

    ended = [client.jobs.wait(job.id, timeout_s=DEADLINE_S) for job in jobs]
    assert [job.status for job in ended] == ["succeeded"] * 3
    normal, urgent, patient = (job.started_at for job in ended)
    assert urgent is not None
    assert normal is not None
    assert patient is not None
    assert urgent < normal < patient


def test_messages_without_a_queued_job_start_no_process(service: Service, client: Client) -> None:
    ended = client.jobs.wait(submit(client, "tiny", samples=4).id, timeout_s=DEADLINE_S)
    broker = Broker(f"redis+socket://{service.data_dir}/broker/broker.sock")
    for _ in range(30):
        assert broker.push(ended.id)
    broker.close()

    # Its message comes after the others.
    job = client.jobs.wait(submit(client, "tiny", samples=4).id, timeout_s=DEADLINE_S)

    assert job.status == "succeeded"
    # As a process says that starts and finds no job.
    assert f"{ended.id} is not for this worker" not in service.log()
