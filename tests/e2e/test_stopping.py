"""Stopping leaves no process behind, and killed processes lose no job."""

import signal
from pathlib import Path

import pytest

from db.core.session import open_sessions
from tests.e2e.embedded import (
    Service,
    ends,
    eventually,
    is_in_the_middle,
    serving,
    submit,
    until,
)
from tests.factories import expire_lease
from tests.processes import job_process, kill_tree
from zpruner import Client, Job

# A short lease might end while a busy machine pauses its worker, so tests end a long one instead.
CHAOS = {"ZPRUNER_LEASE_S": "600", "ZPRUNER_REAP_EVERY_S": "1"}
ENDS_WITHIN_S = 60.0
"""How long a killed process may take to end after the service has ended."""


@pytest.mark.e2e
def test_a_stopped_service_requeues_its_job_and_leaves_no_process(
    data_dir: Path, inputs: Path
) -> None:
    with serving(data_dir, inputs) as service, Client(service.url) as client:
        job = submit(client, "slow", samples=64)
        until(client, job.id, is_in_the_middle)
        [before] = client.workers.list()

        assert service.stop(signal.SIGTERM) == 0

        assert leaves_nothing(service)
        service.start()
        [after] = client.workers.list()
        assert after.id != before.id
        again = client.jobs.wait(job.id, timeout_s=300)
        assert (again.status, again.attempt) == ("succeeded", 2)
        assert ends(client, job.id) == ["succeeded"]
        until(client, submit(client, "slow", samples=64).id, is_in_the_middle)
        assert service.stop(signal.SIGINT) == 0
        assert leaves_nothing(service)
        assert "Traceback" not in service.log()


@pytest.mark.e2e
@pytest.mark.chaos
def test_a_killed_worker_is_restarted_and_its_job_ends_exactly_once(
    data_dir: Path, inputs: Path
) -> None:
    with serving(data_dir, inputs, **CHAOS) as service, Client(service.url) as client:
        job = submit(client, "slow", samples=32)
        until(client, job.id, is_in_the_middle)

        kill_tree(service.worker())
        lease_ends(service, job.id)

        ended = client.jobs.wait(job.id, timeout_s=300)
        assert (ended.status, ended.attempt) == ("succeeded", 2)
        assert ends(client, job.id) == ["succeeded"]
        assert {path.name for path in (data_dir / "artifacts" / job.id).iterdir()} == {"2"}


@pytest.mark.e2e
@pytest.mark.chaos
def test_the_job_of_a_killed_child_runs_again_without_waiting_for_its_lease(
    client: Client,
) -> None:
    job = submit(client, "slow", samples=32)
    running = until(client, job.id, is_in_the_middle)
    assert running.worker is not None

    job_process(running.worker).kill()

    def is_second(job: Job) -> bool:
        return job.attempt == 2 and job.status in {"running", "succeeded"}

    until(client, job.id, is_second, within_s=45)  # the lease lasts for a minute
    assert client.jobs.wait(job.id, timeout_s=300).status == "succeeded"
    assert ends(client, job.id) == ["succeeded"]
    [resumed] = [one for one in client.jobs.events(job.id) if one.kind == "resumed"]
    assert resumed.attempt == 2
    assert resumed.data["resumed_from_block"] >= 1


def leaves_nothing(service: Service) -> bool:
    return eventually(lambda: service.processes() == [], ENDS_WITHIN_S)


def lease_ends(service: Service, job_id: str) -> None:
    """End a job's lease, as if it had lasted long enough."""
    sessions = open_sessions(f"sqlite:///{service.data_dir / 'zpruner.db'}")
    expire_lease(sessions, job_id)
    sessions.kw["bind"].dispose()
