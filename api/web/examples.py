"""Examples for the OpenAPI document; a test validates each against its schema."""

from pydantic import JsonValue

from db.spec.measured_quality import better_methods
from db.spec.prune_spec import PruneSpec

SPEC: dict[str, JsonValue] = {"model": "meta-llama/Llama-3.1-8B", "sparsity": 0.5, "dataset": "c4"}
JOB_ID = "job_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"
WORKER_ID = "wrk_01920c11a0b17d3f9e5c4b3a29180716"
ARTIFACT_ID = "art_01920c41d2e07b6a9c8f3e2d1a0b9c8d"
KEY_ID = "key_01920c3a9d4b7f6e8c1a2b3c4d5e6f70"
SWEEP_ID = "swp_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"
WEBHOOK_ID = "whk_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"
DELIVERY_ID = "msg_01920c41d2e07b6a9c8f3e2d1a0b9c8d"
TRIGGER_ID = "trg_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"
DATASET_ID = "dat_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"
ESTIMATE_ID = "est_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"

JOB: dict[str, JsonValue] = {
    "id": JOB_ID,
    "name": None,
    "labels": {},
    "parent_id": None,
    "queue": "gpu",
    "priority": 0,
    "created_by": KEY_ID,
    "status": "running",
    "phase": "pruning",
    "progress": {
        "fraction": 0.25,
        "block": {"index": 7, "total": 32, "name": "model.layers.7"},
        "eta_seconds": {"p50": 312.0, "p90": 371.0},
    },
    "spec": PruneSpec.model_validate(SPEC).model_dump(mode="json"),
    "attempt": 1,
    "worker": "gpu@host",
    "device": "cuda: NVIDIA H100 80GB HBM3",
    "sweep_id": None,
    "result": None,
    "gate": {"max": {"perplexity_ratio": 1.1}, "min": {"sparsity": 0.5}},
    "verdict": "none",
    "gate_failures": [],
    "error": None,
    "warnings": [],
    "deadline": None,
    "not_before": None,
    "actions": ["cancel", "pause", "rerun"],
    "created_at": "2026-01-05T09:30:00Z",
    "updated_at": "2026-01-05T09:31:46Z",
    "started_at": "2026-01-05T09:30:02Z",
    "finished_at": None,
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "cancel": f"/v1/jobs/{JOB_ID}/cancel",
        "pause": f"/v1/jobs/{JOB_ID}/pause",
        "resume": f"/v1/jobs/{JOB_ID}/resume",
        "retry": f"/v1/jobs/{JOB_ID}/retry",
        "rerun": f"/v1/jobs/{JOB_ID}/rerun",
        "result": f"/v1/jobs/{JOB_ID}/result",
        "metrics": f"/v1/jobs/{JOB_ID}/metrics",
        "manifest": f"/v1/jobs/{JOB_ID}/manifest",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "blocks": f"/v1/jobs/{JOB_ID}/blocks",
        "logs": f"/v1/jobs/{JOB_ID}/logs",
        "queue": f"/v1/jobs/{JOB_ID}/queue",
        "artifacts": f"/v1/jobs/{JOB_ID}/artifacts",
        "archive": f"/v1/jobs/{JOB_ID}/archive",
    },
}
DETAIL: dict[str, JsonValue] = JOB | {
    "queue_position": None,
    "attempts": [
        {
            "number": 1,
            "worker": "gpu@host",
            "device": "cuda: NVIDIA H100 80GB HBM3",
            "started_at": "2026-01-05T09:30:02Z",
            "ended_at": None,
            "outcome": None,
            "reason": None,
            "error": None,
        }
    ],
    "phases": [
        {
            "attempt": 1,
            "name": "pruning",
            "started_at": "2026-01-05T09:30:09Z",
            "ended_at": None,
        }
    ],
}
JOBS: dict[str, JsonValue] = {
    "data": [JOB],
    "next_cursor": "MjAyNi0wMS0wNVQwOTozMDowMCswMDowMCBqb2JfMDE5MjBjM2I1ZjdhN2MzZThhNGQ",
    "has_more": True,
    "facets": {"status": {"running": 1, "succeeded": 41}, "method": {"wanda": 2, "zpruner": 40}},
}
PREVIEW: dict[str, JsonValue] = {
    "spec": JOB["spec"],
    "name": None,
    "labels": {},
    "parent_id": None,
    "queue": "gpu",
    "priority": 0,
    "warnings": [],
    "identical_job_id": None,
}
EVENT: dict[str, JsonValue] = {
    "seq": 3,
    "at": "2026-01-05T09:30:09Z",
    "kind": "phase",
    "status": "running",
    "phase": "loading",
    "attempt": 1,
    "data": {},
}
ANY_EVENT: dict[str, JsonValue] = EVENT | {"job_id": JOB_ID, "position": 1207}
LOG_LINE: dict[str, JsonValue] = {
    "id": "1.12",
    "attempt": 1,
    "seq": 12,
    "at": "2026-01-05T09:31:46.218000Z",
    "level": "INFO",
    "logger": "worker.attempts.run",
    "message": "block 8 of 32 (model.layers.7): sparsity 0.5000, output error 0.0312, seconds 3.1",
}
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
ARTIFACT: dict[str, JsonValue] = {
    "id": ARTIFACT_ID,
    "job_id": JOB_ID,
    "name": "model/config.json",
    "size_bytes": 861,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "media_type": "application/json",
    "created_at": "2026-01-05T09:38:20Z",
    "checked_at": "2026-01-05T09:38:20Z",
    "damage": None,
    "expires_at": None,
    "url": f"/v1/artifacts/{ARTIFACT_ID}/content",
}
RESULT: dict[str, JsonValue] = {
    "job_id": JOB_ID,
    "metrics": {"sparsity": 0.5, "dense_perplexity": 8.64, "pruned_perplexity": 9.72},
    "artifacts": [ARTIFACT],
    "archive": f"/v1/jobs/{JOB_ID}/archive",
}
QUOTAS: dict[str, JsonValue] = {
    "jobs_in_flight": 4,
    "gpu_hours": 100.0,
    "artifact_bytes": None,
}
KEY: dict[str, JsonValue] = {
    "id": KEY_ID,
    "name": "nightly",
    "scopes": ["jobs:read", "jobs:write", "artifacts:read"],
    "quotas": QUOTAS,
    "created_at": "2026-01-05T09:00:00Z",
    "created_by": None,
    "expires_at": None,
    "revoked_at": None,
    "former_until": None,
    "last_used_at": "2026-01-05T09:30:00Z",
}
ME: dict[str, JsonValue] = {
    "name": "nightly",
    "scopes": KEY["scopes"],
    "key": KEY,
    "quotas": {
        "jobs_in_flight": {"used": 1, "allowed": 4},
        "gpu_hours": {"used": 12.5, "allowed": 100.0},
        "artifact_bytes": {"used": 8589934592, "allowed": None},
    },
}
AUDIT: dict[str, JsonValue] = {
    "id": "aud_01920c3b5f8b7d2f9a6c1e4b7d8f9a0b",
    "created_at": "2026-01-05T09:30:00Z",
    "key_id": KEY_ID,
    "who": "nightly",
    "action": "submit_job",
    "target": f"/v1/jobs/{JOB_ID}",
    "status": 201,
    "request_id": "0192f0c17d1e7b0a8f6e5d4c3b2a1908",
    "address": "192.0.2.7",
}

SWEEP: dict[str, JsonValue] = {
    "model": "meta-llama/Llama-3.1-8B",
    "dataset": "c4",
    "grid": {"sparsity": [0.4, 0.5, 0.6], "method": ["zpruner", "wanda"]},
    "max_parallel": 2,
}
SWEPT: dict[str, JsonValue] = {
    "id": SWEEP_ID,
    "name": None,
    "labels": {},
    "max_parallel": 2,
    "created_at": "2026-01-05T09:30:00Z",
    "total": 1,
    "counts": {"succeeded": 1},
    "is_final": True,
    "links": {
        "self": f"/v1/sweeps/{SWEEP_ID}",
        "cancel": f"/v1/sweeps/{SWEEP_ID}/cancel",
        "jobs": f"/v1/jobs?sweep={SWEEP_ID}",
    },
    "points": [
        {
            "job_id": JOB_ID,
            "varied": {"sparsity": 0.5, "method": "zpruner"},
            "status": "succeeded",
            "progress": 1.0,
            "verdict": "pass",
            "sparsity": 0.5,
            "perplexity": 9.72,
            "perplexity_ratio": 1.125,
            "on_front": True,
        }
    ],
    "front": [JOB_ID],
    "dense": {"measured": 1, "shared": 0},
}
COMPARISON: dict[str, JsonValue] = {
    "comparable": True,
    "reasons": [],
    "differences": {"sparsity": [0.5, 0.6]},
    "jobs": [
        {
            "id": JOB_ID,
            "name": None,
            "status": "succeeded",
            "verdict": "none",
            "metrics": {"pruned_perplexity": 9.72},
            "deltas": {"pruned_perplexity": 0.0},
        },
        {
            "id": "job_01920c41d2e07b6a9c8f3e2d1a0b9c8d",
            "name": None,
            "status": "succeeded",
            "verdict": "none",
            "metrics": {"pruned_perplexity": 11.3},
            "deltas": {"pruned_perplexity": 1.58},
        },
    ],
}
ESTIMATE: dict[str, JsonValue] = {
    "id": ESTIMATE_ID,
    "status": "ready",
    "spec": JOB["spec"],
    "model": {
        "name": "meta-llama/Llama-3.1-8B",
        "revision": "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b",
        "parameters": 8030261248,
        "blocks": 32,
    },
    "fits": True,
    "refusal": None,
    "queue": "gpu",
    "memory": {
        "host_bytes": 3400000000,
        "device_bytes": 5200000000,
        "scratch_bytes": 2147483648,
    },
    "seconds": {"p50": 310.0, "p90": 372.0, "jobs": 41},
    "artifact_bytes": 16060522496,
    "computed_on": {"device": "cuda", "dtype": "bfloat16"},
    "setting": {"propagation": "fused", "batch_tokens": 16384, "spills": True},
    "windows": {"calibration": 128, "evaluation": 256, "seq_len": 2048},
    "hints": list(better_methods(PruneSpec.model_validate(SPEC))),
    "warnings": [],
    "identical_job_id": None,
}
WEBHOOK_REQUEST: dict[str, JsonValue] = {
    "url": "https://ci.example.com/hooks/zpruner",
    "description": "publishes what passes its gate",
    "events": ["job.succeeded", "job.failed"],
}
WEBHOOK: dict[str, JsonValue] = WEBHOOK_REQUEST | {
    "id": WEBHOOK_ID,
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "former_until": None,
    "created_at": "2026-01-05T09:00:00Z",
    "created_by": KEY_ID,
}
DELIVERY_ATTEMPT: dict[str, JsonValue] = {
    "at": "2026-01-05T09:38:21Z",
    "status": 204,
    "seconds": 0.112,
    "error": None,
}
DELIVERY: dict[str, JsonValue] = {
    "id": DELIVERY_ID,
    "webhook_id": WEBHOOK_ID,
    "type": "job.succeeded",
    "job_id": JOB_ID,
    "status": "delivered",
    "attempts": 1,
    "next_attempt_at": None,
    "created_at": "2026-01-05T09:38:21Z",
    "finished_at": "2026-01-05T09:38:21Z",
    "last": DELIVERY_ATTEMPT,
}
TRIGGER_REQUEST: dict[str, JsonValue] = {
    "name": "prune what search publishes",
    "source": "huggingface",
    "job": {"sparsity": 0.5, "dataset": "c4", "labels": {"team": "search"}},
    "filter": {"/event/scope": "repo.content", "/repo/type": "model"},
    "map": {"model": "/repo/name", "revision": "/repo/headSha"},
}
TRIGGER: dict[str, JsonValue] = TRIGGER_REQUEST | {
    "id": TRIGGER_ID,
    "hook": f"/v1/hooks/{TRIGGER_ID}",
    "former_until": None,
    "created_at": "2026-01-05T09:00:00Z",
    "created_by": KEY_ID,
}
HOOK_ANSWER: dict[str, JsonValue] = {
    "outcome": "submitted",
    "delivery_id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "reason": None,
    "job_id": JOB_ID,
    "job": f"/v1/jobs/{JOB_ID}",
}
TRIGGER_DELIVERY: dict[str, JsonValue] = {
    "id": "tdl_01920c41d2e07b6a9c8f3e2d1a0b9c8d",
    "trigger_id": TRIGGER_ID,
    "delivery_id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "outcome": "submitted",
    "reason": None,
    "job_id": JOB_ID,
    "problem": None,
    "created_at": "2026-01-05T09:30:00Z",
}
DATASET: dict[str, JsonValue] = {
    "kind": "uploaded",
    "id": DATASET_ID,
    "dataset": f"uploaded:{DATASET_ID}",
    "name": "support-tickets.jsonl",
    "size_bytes": 7340032,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "media_type": "application/jsonl",
    "created_at": "2026-01-05T09:20:00Z",
    "created_by": KEY_ID,
}
LINK: dict[str, JsonValue] = {
    "url": f"/v1/artifacts/{ARTIFACT_ID}/content?expires=1767692300&key={KEY_ID}&sig="
    "5f2a1c9e7d4b8063a1e5c7d9f0b2846c3e1a5d7f9b0c2e4a6d8f1b3c5e7a9d0f",
    "expires_at": "2026-01-06T09:38:20Z",
}

EXAMPLES = {
    "JobRequest": SPEC,
    "JobChanges": {"sparsity": 0.6},
    "JobPatch": {"name": "second", "labels": {"team": "search", "old": None}},
    "JobRead": JOB,
    "JobDetail": DETAIL,
    "JobPage": JOBS,
    "JobPreview": PREVIEW,
    "EventRead": EVENT,
    "AnyEventRead": ANY_EVENT,
    "LogLineRead": LOG_LINE,
    "WorkerRead": WORKER,
    "QueueRead": QUEUE,
    "PlaceRead": {"name": "gpu", "position": 2, "depth": 3, "workers": 1},
    "ArtifactRead": ARTIFACT,
    "JobResult": RESULT,
    "SweepRequest": SWEEP,
    "SweepRead": SWEPT,
    "Comparison": COMPARISON,
    "EstimateRead": ESTIMATE,
    "KeyRequest": {"name": "nightly", "scopes": KEY["scopes"], "quotas": QUOTAS},
    "KeyRead": KEY,
    "Me": ME,
    "AuditRead": AUDIT,
    "WebhookRequest": WEBHOOK_REQUEST,
    "WebhookPatch": {"events": ["job.succeeded"], "enabled": True},
    "WebhookRead": WEBHOOK,
    "DeliveryRead": DELIVERY,
    "TriggerRequest": TRIGGER_REQUEST,
    "TriggerPatch": {"filter": {"/event/scope": ["repo", "repo.content"]}},
    "TriggerRead": TRIGGER,
    "TriggerDeliveryRead": TRIGGER_DELIVERY,
    "HookAnswer": HOOK_ANSWER,
    "DatasetRead": DATASET,
    "LinkRequest": {"expires_in": 86400},
    "LinkRead": LINK,
}
"""By the name of the schema that each is an example of."""
