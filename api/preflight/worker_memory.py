"""A check that a queue has a worker with as much memory as a job needs."""

from collections.abc import Mapping
from typing import Any

from db.core.session import Sessions
from db.jobs.estimates import needed_memory
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Worker

CUDA = "cuda"


def memory_warnings(
    sessions: Sessions,
    queue: str,
    estimate: Mapping[str, Any] | None,
    min_memory_gb: float | None = None,
) -> list[str]:
    """Return a warning if no worker of a job's queue has what the job asks for, or its plan needs.

    The plan is that of the planner's machine. A worker makes its own, and may find a slower one
    that needs less, so the job is not refused.
    """
    if estimate is None and min_memory_gb is None:
        return []
    with sessions() as session:
        alive = [one.worker for one in WorkerRepository(session).all() if one.is_alive]
    serving = [one for one in alive if queue in one.queues and one.memory_bytes is not None]
    if min_memory_gb is not None and all(_gb(worker) < min_memory_gb for worker in serving):
        return [
            f"No worker of queue {queue} has min_memory_gb {min_memory_gb:g} now: the job waits "
            "for one."
        ]
    return [] if estimate is None else _plan_warnings(queue, serving, estimate)


def _plan_warnings(queue: str, serving: list[Worker], estimate: Mapping[str, Any]) -> list[str]:
    needed_gb = (needed_memory(estimate) or 0) / 1e9
    if estimate["memory"]["device_bytes"]:
        serving = [one for one in serving if (one.device or "").startswith(CUDA)] or serving
    largest = max(serving, key=_gb, default=None)
    if largest is None or _gb(largest) >= needed_gb:
        return []
    return [
        f"As planned, the job needs {needed_gb:,.1f} GB of memory, and the largest worker of "
        f"queue {queue}, {largest.name}, has {_gb(largest):,.1f} GB. It will look for a "
        "plan that needs less, and fail if there is none: use a queue with more memory, or ask for "
        "shorter windows (seq_len)."
    ]


def _gb(worker: Worker) -> float:
    return (worker.memory_bytes or 0) / 1e9
