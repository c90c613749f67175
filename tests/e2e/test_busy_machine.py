"""The whole service on a machine whose processors other programs use up."""

import pytest

from tests.busy import CORES, busy_processes
from tests.e2e.embedded import Service, submit
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e


def test_a_tiny_job_ends_without_a_crash(service: Service, client: Client) -> None:
    lines = len(service.log_lines())
    with busy_processes(CORES):
        job = client.jobs.wait(submit(client, "tiny", samples=3).id, timeout_s=DEADLINE_S)
    reasons = [event.data.get("reason") for event in client.jobs.events(job.id)]
    assert (job.status, job.attempt, set(reasons)) == ("succeeded", 1, {None})
    log = "\n".join(service.log_lines()[lines:])
    for word in ("locked", "killing", "the process of job", "is spawned without it"):
        assert word not in log
