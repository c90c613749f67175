"""The compose file's services, with a bucket, while containers are stopped and killed."""

import json
import time
from itertools import chain
from pathlib import Path

import pytest

from tests.deploy.images.topology import SETTINGS, Topology, await_state
from tests.e2e.embedded import ends, is_in_the_middle, submit, until
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client, Job
from zpruner.client.transport.errors import ServiceError

pytestmark = pytest.mark.timeout(3600)
KILLED = (
    *("api", "api-2", "control", "worker", "worker-2"),
    *("redis", "postgres", "prometheus", "bucket"),
)
MODELS = {0.7: "slow", 0.6: "slow", 0.5: "tiny"}
"""The model of each sparsity: both workers compute a slow one, and the third job waits."""
OF_CELERY = {"", "worker: Warm shutdown (MainProcess)"}
"""What Celery writes past all loggers when a signal stops it."""


@pytest.fixture(scope="module")
def undisturbed(topology: Topology) -> dict[float, dict[str, str]]:
    """The digests of the files of jobs that nothing disturbed, by sparsity."""
    with topology.client() as client:
        found = {}
        for sparsity, model in MODELS.items():
            job = client.jobs.wait(
                submit(client, model, sparsity=sparsity).id, timeout_s=DEADLINE_S
            )
            assert job.status == "succeeded", job.error
            found[sparsity] = weights(client, job.id)
        return found


def weights(client: Client, job_id: str) -> dict[str, str]:
    files = client.jobs.artifacts(job_id)
    return {one.name: one.sha256 for one in files if one.name.endswith(".safetensors")}


def test_no_process_of_ours_or_of_others_has_any_privilege(topology: Topology) -> None:
    for name in topology.long_running:
        status = Path(f"/proc/{topology.pid(name)}/status").read_text().splitlines()
        fields = {key: value.split() for key, _, value in (line.partition(":") for line in status)}
        assert "0" not in fields["Uid"], name
        assert {fields[f"Cap{kind}"][0] for kind in ("Prm", "Eff", "Bnd")} == {"0" * 16}, name
        assert fields["NoNewPrivs"] == ["1"], name
        assert topology.inspect(name)["HostConfig"]["ReadonlyRootfs"] is True, name


def test_a_job_that_one_process_of_the_api_accepts_can_be_read_from_the_other(
    topology: Topology, undisturbed: dict[float, dict[str, str]], tmp_path: Path
) -> None:
    with topology.client("api-2") as client:
        [newest, *_] = client.jobs.list(limit=1)
        assert weights(client, newest.id) == undisturbed[newest.spec["sparsity"]]
        client.jobs.download(newest.id, tmp_path)
        assert len(client.workers.list()) == 2


def test_prometheus_reads_the_metrics_and_knows_the_alerts(topology: Topology) -> None:
    query = ["promtool", "query", "instant", "http://127.0.0.1:9090", "max(zpruner_queue_depth)"]
    eventually(lambda: "=> 0 @" in topology.run("prometheus", *query, check=False))
    rules = topology.run("prometheus", "promtool", "check", "rules", "/etc/prometheus/alerts.yaml")
    assert "12 rules found" in rules


def test_a_worker_that_is_stopped_hands_its_job_to_the_other_one(
    topology: Topology, undisturbed: dict[float, dict[str, str]]
) -> None:
    with topology.client() as client:
        job = until(client, submit(client, "slow", sparsity=0.7).id, is_in_the_middle)
        [busy] = [name for name in ("worker", "worker-2") if works_on(topology, name, job)]
        started = time.monotonic()
        topology.podman("stop", "--time", "90", f"zpruner-test_{busy}_1")
        assert topology.inspect(busy)["State"]["ExitCode"] == 0
        assert time.monotonic() - started < 90  # it was not killed
        ended = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
        topology.podman("start", f"zpruner-test_{busy}_1")
        assert ended.status == "succeeded", ended.error
        assert [one["reason"] for one in ended.attempts] == ["yielded", None]
        assert weights(client, job.id) == undisturbed[0.7]
    await_state(lambda: topology.health(busy) == "healthy")


def works_on(topology: Topology, service: str, job: Job) -> bool:
    assert job.worker is not None
    return topology.inspect(service)["Config"]["Hostname"] in job.worker


def test_jobs_survive_the_death_of_every_container(
    topology: Topology, undisturbed: dict[float, dict[str, str]], tmp_path: Path
) -> None:
    with topology.client() as client:
        jobs = {name: jobs_during_the_death_of(topology, client, name) for name in KILLED}
        for job_id, sparsity in chain.from_iterable(one.items() for one in jobs.values()):
            ended = client.jobs.wait(job_id, timeout_s=DEADLINE_S)
            assert ended.status == "succeeded", ended.error
            assert ends(client, job_id) == ["succeeded"]
            assert weights(client, job_id) == undisturbed[sparsity]
            client.jobs.download(job_id, tmp_path / job_id)  # compares the bytes with the digests
        for job_id in jobs["bucket"]:  # their requests were repeated until it was back
            assert len(client.jobs.get(job_id).attempts) == 1
    restarts = {name: topology.inspect(name)["RestartCount"] for name in KILLED}
    assert restarts == dict.fromkeys(KILLED, 1), "a container has ended by itself"
    with topology.client("api-2") as other:  # at the address that it has since its restart
        eventually(lambda: answers(other))
        wanted = set(chain(*jobs.values()))
        assert {job.id for job in other.jobs.list(limit=len(wanted))} == wanted


def jobs_during_the_death_of(topology: Topology, client: Client, name: str) -> dict[str, float]:
    """Submit a job of each sparsity, and kill a container while the first of them is computed.

    Returns the sparsities of the jobs, by their ids.
    """
    jobs = {submit(client, model, sparsity=one).id: one for one, model in MODELS.items()}
    first = next(iter(jobs))
    until(client, first, is_in_the_middle)
    killed_at = topology.kill(name)
    eventually(lambda: answers(client))
    ended = client.jobs.wait(first, timeout_s=DEADLINE_S)
    assert ended.finished_at is not None
    assert ended.finished_at > killed_at, f"nothing ran when {name} was killed"
    return jobs


def answers(client: Client) -> bool:
    try:
        client.jobs.list(limit=1)
    except ServiceError:
        return False
    return True


def test_the_logs_are_lines_of_json_without_secrets(topology: Topology) -> None:
    secrets = [SETTINGS[name] for name in SETTINGS if "PASSWORD" in name or "SECRET" in name]
    for name in ("api", "api-2", "control", "worker", "worker-2", "migrate"):
        lines = topology.logs(name)
        assert not [line for line in lines for secret in secrets if secret in line]
        others = [line for line in lines if not isinstance(parsed(line), dict)]
        assert set(others) <= OF_CELERY, name


def parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line
