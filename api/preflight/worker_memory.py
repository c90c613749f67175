"""A check that a queue has a worker with as much memory as a job was planned with."""

from collections.abc import Mapping
from typing import Any

from db.core.session import Sessions
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Worker

CUDA = "cuda"


def memory_warnings(
    sessions: Sessions, queue: str, estimate: Mapping[str, Any] | None
) -> list[str]:
    """Return a warning if the plan of a job needs more memory than each worker of its queue has.

    The plan is that of the planner's machine. A worker makes its own, and may find a slower one
    that needs less, so the job is not refused. Without an estimate or a worker there is no warning.
    """
    if estimate is None:
        return []
    needed = estimate["memory"]["device_bytes"] or estimate["memory"]["host_bytes"]
    with sessions() as session:
        alive = [one.worker for one in WorkerRepository(session).all() if one.is_alive]
    serving = [one for one in alive if queue in one.queues and one.memory_bytes is not None]
    if estimate["memory"]["device_bytes"]:
        serving = [one for one in serving if (one.device or "").startswith(CUDA)] or serving
    largest = max(serving, key=_memory, default=None)
    if largest is None or _memory(largest) >= needed:
        return []
    return [
        f"As planned, the job needs {needed / 1e9:,.1f} GB of memory, and the largest worker of "
        f"queue {queue}, {largest.name}, has {_memory(largest) / 1e9:,.1f} GB. It will look for a "
        "plan that needs less, and fail if there is none: use a queue with more memory, or ask for "
        "shorter windows (seq_len)."
    ]


def _memory(worker: Worker) -> int:
    return worker.memory_bytes or 0
