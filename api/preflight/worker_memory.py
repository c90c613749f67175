"""A check that a queue has a worker with as much memory as a job needs."""

from collections.abc import Mapping
from typing import Any

from db.core.session import Sessions
from db.jobs.estimates import needed_memory
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Worker

CUDA = "cuda"


def check_min_memory(sessions: Sessions, queue: str, min_memory_gb: float | None) -> list[str]:
    """Return a warning if no worker of the queue has the memory that a job asks for."""
    if min_memory_gb is None or any(
        _gb(one) >= min_memory_gb for one in _workers_of(sessions, queue)
    ):
        return []
    return [f"No worker of queue {queue} has {min_memory_gb:g} GB of memory now: the job waits."]


def memory_warnings(
    sessions: Sessions, queue: str, estimate: Mapping[str, Any] | None
) -> list[str]:
    """Return a warning if the plan of a job needs more memory than each worker of its queue has.

    The plan is that of the planner's machine. A worker makes its own, and may find a slower one
    that needs less, so the job is not refused. Without an estimate or a worker there is no warning.
    """
    if estimate is None:
        return []
    serving = _workers_of(sessions, queue)
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


def _workers_of(sessions: Sessions, queue: str) -> list[Worker]:
    """Return the live workers of a queue whose memory is known."""
    with sessions() as session:
        alive = [one.worker for one in WorkerRepository(session).all() if one.is_alive]
    return [one for one in alive if queue in one.queues and one.memory_bytes is not None]


def _gb(worker: Worker) -> float:
    return (worker.memory_bytes or 0) / 1e9
