"""Examples of jobs, their events and logs."""

from pydantic import JsonValue

from api.web.examples.ids import JOB_ID, KEY_ID, TRIAL_ID
from db.spec.advice import advice
from db.spec.prune_spec import PruneSpec

SPEC: dict[str, JsonValue] = {"model": "meta-llama/Llama-3.1-8B", "sparsity": 0.5, "dataset": "c4"}

JOB: dict[str, JsonValue] = {
    "id": JOB_ID,
    "name": None,
    "labels": {},
    "parent_id": None,
    "lineage": None,
    "queue": "gpu",
    "priority": 0,
    "max_cost": None,
    "min_memory_gb": None,
    "created_by": KEY_ID,
    "status": "running",
    "phase": "pruning",
    "progress": {
        "fraction": 0.25,
        "block": {"index": 7, "total": 32, "name": "model.layers.7"},
        "eta_seconds": {"p50": 312.0, "p90": 371.0, "untimed": []},
    },
    "spec": PruneSpec.model_validate(SPEC).model_dump(mode="json"),
    "attempt": 1,
    "worker": "gpu@host",
    "device": "cuda: NVIDIA H100 80GB HBM3",
    "sweep_id": None,
    "result": None,
    "reduction": None,
    "accuracy": None,
    "speed": None,
    "seconds": None,
    "size_bytes": None,
    "pinned": False,
    "gate": {"max": {"perplexity_ratio": 1.1}, "min": {"sparsity": 0.5}},
    "verdict": "none",
    "gate_failures": [],
    "error": None,
    "warnings": [],
    "deadline": None,
    "not_before": None,
    "postponed": None,
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
        "provenance": f"/v1/jobs/{JOB_ID}/provenance",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "blocks": f"/v1/jobs/{JOB_ID}/blocks",
        "logs": f"/v1/jobs/{JOB_ID}/logs",
        "queue": f"/v1/jobs/{JOB_ID}/queue",
        "artifacts": f"/v1/jobs/{JOB_ID}/artifacts",
        "archive": f"/v1/jobs/{JOB_ID}/archive",
        "outputs": f"/v1/jobs/{JOB_ID}/outputs",
    },
}

DETAIL: dict[str, JsonValue] = JOB | {
    "queue_position": None,
    "advice": list(advice(PruneSpec.model_validate(SPEC))),
    "cost": {"amount": 0.0722, "currency": "USD", "hourly_price": 2.5},
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
    "outputs": [],
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
    "facets": {
        "status": {"running": 1, "succeeded": 41},
        "method": {"wanda": 2, "zpruner": 40},
        "verdict": {"none": 30, "pass": 10, "fail": 2},
    },
}

PREVIEW: dict[str, JsonValue] = {
    "spec": JOB["spec"],
    "name": None,
    "labels": {},
    "parent_id": None,
    "queue": "gpu",
    "priority": 0,
    "warnings": [],
    "advice": list(advice(PruneSpec.model_validate(SPEC))),
    "identical_job_id": None,
}

CANCELLED: dict[str, JsonValue] = {
    "cancelled": [JOB_ID],
    "ended": [],
    "missing": [],
    "has_more": False,
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

TRIAL: dict[str, JsonValue] = {
    "id": TRIAL_ID,
    "job_id": JOB_ID,
    "prompt": "The capital of France is",
    "max_tokens": 64,
    "seed": None,
    "status": "succeeded",
    "queue_position": None,
    "answer": {"dense": " Paris.", "pruned": " the city of Paris."},
    "error": None,
    "created_by": KEY_ID,
    "created_at": "2026-01-05T09:45:00Z",
    "finished_at": "2026-01-05T09:45:09Z",
}

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "JobRequest": SPEC,
    "JobChanges": {"sparsity": 0.6},
    "JobPatch": {"name": "second", "labels": {"team": "search", "old": None}},
    "JobRead": JOB,
    "JobDetail": DETAIL,
    "JobPage": JOBS,
    "JobPreview": PREVIEW,
    "CancelRequest": {"ids": [JOB_ID]},
    "CancelledJobs": CANCELLED,
    "EventRead": EVENT,
    "AnyEventRead": ANY_EVENT,
    "LogLineRead": LOG_LINE,
    "TrialRequest": {"prompt": "The capital of France is"},
    "TrialRead": TRIAL,
    "TrialPage": {"data": [TRIAL], "next_cursor": None, "has_more": False},
}
