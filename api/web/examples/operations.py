"""Examples of workers and queues."""

from pydantic import JsonValue

from api.web.examples.ids import JOB_ID, WORKER_ID

WORKER: dict[str, JsonValue] = {
    "id": WORKER_ID,
    "name": "gpu@host",
    "hostname": "host",
    "pid": 4711,
    "state": "busy",
    "queues": ["gpu"],
    "device": "cuda: NVIDIA H100 80GB HBM3",
    "memory_bytes": 85_029_158_912,
    "version": "0.1.0",
    "job_id": JOB_ID,
    "draining": False,
    "started_at": "2026-01-05T08:00:00Z",
    "heartbeat_at": "2026-01-05T09:31:40Z",
}

QUEUE: dict[str, JsonValue] = {
    "name": "gpu",
    "depth": 3,
    "oldest_queued_at": "2026-01-05T09:12:00Z",
    "oldest_age_seconds": 1186.0,
    "running": 1,
    "workers": 1,
    "devices": ["cuda: NVIDIA H100 80GB HBM3"],
    "memory_bytes": 85_029_158_912,
}

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "WorkerRead": WORKER,
    "QueueRead": QUEUE,
    "PlaceRead": {"name": "gpu", "position": 2, "depth": 3, "workers": 1},
}
