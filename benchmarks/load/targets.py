"""The jobs and Flower tasks that the callers request, and the services that run them."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.llama import RandomLlama
from benchmarks.services import serving
from zpruner import Client

JOBS = 20
TIMEOUT_S = 120.0
LONG_MODEL = RandomLlama(blocks=8, vocabulary=2000)
LONG_JOBS = 3
"""The number of long jobs; they run one after another, each for a minute on two cores."""


@contextmanager
def service_with_jobs(**settings: str) -> Iterator[tuple[str, list[str]]]:
    """Run a service with 20 paused jobs; yield its URL and the paths of the jobs."""
    with tempfile.TemporaryDirectory(prefix="zp") as name, serving(Path(name), **settings) as url:
        yield url, submit_paused_jobs(url)


@contextmanager
def busy_service() -> Iterator[tuple[str, list[str]]]:
    """Run a service whose worker is pruning and that has 20 paused jobs.

    Yield the service's URL and the paths of the paused jobs.
    """
    with tempfile.TemporaryDirectory(prefix="zp") as name:
        LONG_MODEL.write(Path(name) / "long")
        with serving(Path(name), ZPRUNER_DEVICE="cpu") as url:
            _prune_long(url)
            yield url, submit_paused_jobs(url)


def submit_paused_jobs(url: str, number: int = JOBS) -> list[str]:
    """Submit jobs, pause each job at once, and return the paths of the jobs."""
    with Client(url) as client:
        ids = [client.jobs.pause(_submit(client)).id for _ in range(number)]
    return [f"/v1/jobs/{job_id}" for job_id in ids]


def finished_task(url: str, flower_url: str) -> str:
    """Run jobs until Flower has recorded a finished task; return the path of that task."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with Client(url) as client:
            client.jobs.wait(_submit(client), timeout_s=60)
        tasks = httpx.get(f"{flower_url}/api/tasks", trust_env=False).json()
        finished = [uuid for uuid, task in tasks.items() if task["state"] == "SUCCESS"]
        if finished:
            return f"/api/task/info/{finished[0]}"
    raise SystemExit("Flower has recorded no task")


def _submit(client: Client) -> str:
    return client.jobs.create(
        "local:tiny", 0.5, "local:text.txt", samples=2, seq_len=64, eval_samples=2
    ).id


def _prune_long(url: str) -> None:
    """Submit long jobs, and wait until the worker has started to prune the first."""
    deadline = time.monotonic() + TIMEOUT_S
    with Client(url) as client:
        first, *_ = [
            client.jobs.create(
                "local:long", 0.5, "local:text.txt", samples=128, seq_len=512, eval_samples=2
            )
            for _ in range(LONG_JOBS)
        ]
        while (job := client.jobs.get(first.id)).phase != "pruning":
            if job.is_final or time.monotonic() > deadline:
                raise SystemExit(f"{job.id} is {job.status}: {job.error}")
            time.sleep(0.2)
