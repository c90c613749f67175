"""Two workers with data folders of their own, as on two machines, and one bucket."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.bucket_server import SECRET, create_bucket, credentials
from tests.e2e.embedded import Service, serving, submit, until
from tests.processes import kill_tree
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client, Job
from zpruner.parts.programs import command, environment

pytestmark = pytest.mark.e2e

QUEUE = "machines"


@contextmanager
def worker(service: Service, data_dir: Path) -> Iterator[psutil.Process]:
    """Run a worker on another machine, so to speak: with a data folder of its own."""
    shared = {
        "ZPRUNER_DATABASE_URL": f"sqlite:///{service.data_dir}/zpruner.db",
        "ZPRUNER_BROKER_URL": f"redis+socket://{service.data_dir}/broker/broker.sock",
        "ZPRUNER_DATA_DIR": str(data_dir),
        "ZPRUNER_QUEUES": QUEUE,
        "ZPRUNER_FORK_SERVER": "auto",
    }
    env = environment({**service.environment(), **shared})
    with (data_dir.with_name(f"{data_dir.name}.log")).open("w") as log:
        name = data_dir.name
        arguments = command("worker", "-Q", QUEUE, "-n", name)
        process = psutil.Popen(arguments, env=env, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.is_running():
                kill_tree(process)
            process.wait()


def takes_jobs(client: Client) -> bool:
    return any(QUEUE in one.queues for one in client.workers.list())


def shards(client: Client, job_id: str) -> dict[str, str]:
    files = client.jobs.artifacts(job_id)
    return {one.name: one.sha256 for one in files if one.name.endswith(".safetensors")}


def test_a_job_of_a_killed_worker_continues_on_the_other_machine_with_the_same_bytes(
    s3_server: str, inputs: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    data, first, second = (tmp_path_factory.mktemp(name) for name in ("d", "first", "second"))
    settings = {
        **credentials(s3_server),
        "ZPRUNER_ARTIFACT_URL": create_bucket(s3_server),
        "ZPRUNER_FORK_SERVER": "never",
        "ZPRUNER_LEASE_S": "5",
        "ZPRUNER_REAP_EVERY_S": "1",
        "OMP_NUM_THREADS": "1",
    }
    with serving(data, inputs, **settings) as service, Client(service.url) as client:
        with worker(service, first) as killed:
            eventually(lambda: takes_jobs(client), within_s=DEADLINE_S)
            job = submit(client, "slow", samples=4, queue=QUEUE)
            job = until(client, job.id, lambda one: done(one) >= 2, within_s=DEADLINE_S)
            finished = done(job)
            assert SECRET in killed.environ().values()
            assert SECRET not in process_of(job).environ().values()
            kill_tree(killed)
        assert not client.jobs.get(job.id).is_final
        with worker(service, second):
            ended = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
            whole = submit(client, "slow", samples=4, queue=QUEUE)
            whole = client.jobs.wait(whole.id, timeout_s=DEADLINE_S)
        assert (ended.status, whole.status) == ("succeeded", "succeeded"), ended.error
        # On a busy machine the short lease may also end while its worker lives.
        *_, resumed = (one for one in client.jobs.events(job.id) if one.kind == "resumed")
        assert resumed.data["resumed_from_block"] >= finished
        assert shards(client, job.id) == shards(client, whole.id) != {}
        paths = client.jobs.download(job.id, tmp_path)
        assert {path.name for path in paths} > shards(client, job.id).keys()
    check = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path)
    assert check.returncode == 0


def process_of(job: Job) -> psutil.Process:
    assert job.worker is not None
    return psutil.Process(int(job.worker.rpartition("/")[2]))


def done(job: Job) -> int:
    """Return how many blocks a job has finished."""
    return 0 if job.progress.block is None else job.progress.block.index + 1
