"""Killed processes of the whole service lose no job."""

import pytest

from db.core.session import open_sessions
from tests.e2e.embedded import FEW_WINDOWS, SPEC, Service, ends, is_in_the_middle, submit, until
from tests.factories import expire_lease
from tests.processes import job_process, kill_tree
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client, Job

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]


def test_a_killed_worker_is_restarted_and_its_job_ends_exactly_once(
    service: Service, client: Client
) -> None:
    job = submit(client, "slow", samples=FEW_WINDOWS)
    until(client, job.id, is_in_the_middle)

    kill_tree(service.worker())
    lease_ends(service, job.id)

    ended = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
    assert (ended.status, ended.attempt) == ("succeeded", 2)
    assert ends(client, job.id) == ["succeeded"]
    assert {path.name for path in (service.data_dir / "artifacts" / job.id).iterdir()} == {"2"}


def test_the_job_of_a_killed_child_runs_again_without_waiting_for_its_lease(
    client: Client,
) -> None:
    job = submit(client, "slow", samples=FEW_WINDOWS)
    running = until(client, job.id, is_in_the_middle)
    assert running.worker is not None

    job_process(running.worker).kill()

    def is_second(job: Job) -> bool:
        return job.attempt == 2 and job.status in {"running", "succeeded"}

    until(client, job.id, is_second)  # the lease lasts twice as long
    assert client.jobs.wait(job.id, timeout_s=DEADLINE_S).status == "succeeded"
    assert ends(client, job.id) == ["succeeded"]
    [resumed] = [one for one in client.jobs.events(job.id) if one.kind == "resumed"]
    assert resumed.attempt == 2
    assert resumed.data["resumed_from_block"] >= 1


def test_a_killed_estimator_is_started_again(service: Service, client: Client) -> None:
    client.estimate("local:tiny", timeout_s=DEADLINE_S, **SPEC | {"sparsity": 0.41})
    for process in service.estimators():
        process.kill()
    again = client.estimate("local:tiny", timeout_s=DEADLINE_S, **SPEC | {"sparsity": 0.42})
    assert again.memory
    eventually(lambda: len(service.estimators()) == 1)


def lease_ends(service: Service, job_id: str) -> None:
    """End a job's lease, as if it had lasted long enough."""
    sessions = open_sessions(f"sqlite:///{service.data_dir / 'zpruner.db'}")
    expire_lease(sessions, job_id)
    sessions.kw["bind"].dispose()
