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
    "load": 0.94,
    "memory_used_bytes": 31_407_996_928,
    "temperature_c": 61.0,
    "version": "0.2.0",
    "extras": {"eval": "0.4.13", "gpu": "13.580.82"},
    "job_id": JOB_ID,
    "job": {
        "id": JOB_ID,
        "name": "nightly",
        "model": "meta-llama/Llama-3.1-8B",
        "status": "running",
        "phase": "pruning",
        "progress": {
            "fraction": 0.34,
            "block": {"index": 11, "total": 32, "name": "model.layers.11"},
            "eta_seconds": {"p50": 412.0, "p90": 468.0, "untimed": []},
        },
        "seconds_per_step": 18.4,
        "lease_until": "2026-01-05T09:32:39Z",
    },
    "draining": False,
    "started_at": "2026-01-05T08:00:00Z",
    "heartbeat_at": "2026-01-05T09:31:40Z",
    "silent_seconds": 1.2,
}

QUEUE: dict[str, JsonValue] = {
    "name": "gpu",
    "depth": 3,
    "postponed": 0,
    "oldest_queued_at": "2026-01-05T09:12:00Z",
    "oldest_age_seconds": 1186.0,
    "running": 1,
    "workers": 1,
    "devices": ["cuda: NVIDIA H100 80GB HBM3"],
    "memory_bytes": 85_029_158_912,
    "hourly_price": 4.0,
}

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "WorkerRead": WORKER,
    "QueueRead": QUEUE,
    "WorkerHistory": {
        "name": "gpu@host",
        "points": [{"at": "2026-01-05T09:20:00Z", "busy": 0.75, "load": 0.96}],
    },
    "QueueHistory": {
        "name": "gpu",
        "points": [{"at": "2026-01-05T09:20:00Z", "queued": 3, "running": 1}],
    },
    "PlaceRead": {"name": "gpu", "position": 2, "depth": 3, "workers": 1},
}
