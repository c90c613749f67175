"""A job is told if its plan needs more memory than the workers of its queue have."""

from typing import Any

import pytest

from api.preflight.worker_memory import check_min_memory, memory_warnings
from db.core.session import Sessions
from db.scheduling.workers import WorkerRepository
from tests.factories import make_worker

GB = 10**9
H100 = {"device": "cuda: NVIDIA H100 80GB HBM3", "memory_bytes": 80 * GB}
L4 = {"device": "cuda: NVIDIA L4", "memory_bytes": 24 * GB}
CPU = {"device": "cpu", "memory_bytes": 512 * GB}


def warned(
    sessions: Sessions, workers: list[dict[str, Any]], host_gb: int, device_gb: int
) -> list[str]:
    with sessions.begin() as session:
        for number, fields in enumerate(workers):
            WorkerRepository(session).register(make_worker(str(number), **fields))
    memory = {"host_bytes": host_gb * GB, "device_bytes": device_gb * GB}
    return memory_warnings(sessions, "gpu", {"memory": memory})


@pytest.mark.parametrize(
    ("workers", "host_gb", "device_gb"),
    [([L4, H100], 40, 31), ([], 40, 31), ([CPU], 300, 0), ([L4 | {"memory_bytes": None}], 40, 31)],
)
def test_a_job_that_one_worker_has_the_memory_for_gets_no_warning(
    workers: list[dict[str, Any]], host_gb: int, device_gb: int, sessions: Sessions
) -> None:
    assert warned(sessions, workers, host_gb, device_gb) == []


@pytest.mark.parametrize(
    ("workers", "host_gb", "device_gb", "names"),
    [
        ([L4, L4 | {"memory_bytes": 8 * GB}], 40, 31, ("31.0 GB", "0, has 24.0 GB")),
        ([L4, H100 | {"queues": ["h100"]}], 40, 31, ("31.0 GB", "0, has 24.0 GB")),
        ([CPU, L4], 40, 31, ("31.0 GB", "1, has 24.0 GB")),
        ([CPU], 600, 0, ("600.0 GB", "0, has 512.0 GB")),
    ],
)
def test_a_plan_that_needs_more_than_any_worker_of_the_queue_has_is_a_warning(
    workers: list[dict[str, Any]],
    host_gb: int,
    device_gb: int,
    names: tuple[str, str],
    sessions: Sessions,
) -> None:
    [text] = warned(sessions, workers, host_gb, device_gb)
    assert all(name in text for name in names)
    assert "use a queue with more memory" in text


def test_a_job_that_asks_for_more_memory_than_any_worker_has_is_told_that_it_waits(
    sessions: Sessions,
) -> None:
    assert warned(sessions, [L4], 40, 20) == []
    assert check_min_memory(sessions, "gpu", None) == []
    assert check_min_memory(sessions, "gpu", 24.0) == []
    assert check_min_memory(sessions, "gpu", 40.0) == [
        "No worker of queue gpu has 40 GB of memory now: the job waits."
    ]
