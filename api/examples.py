"""Examples for the OpenAPI document; a test validates each against its schema."""

from pydantic import JsonValue

from db.spec import PruneSpec

SPEC: dict[str, JsonValue] = {"model": "meta-llama/Llama-3.1-8B", "sparsity": 0.5, "dataset": "c4"}
JOB_ID = "job_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"
ARTIFACT_ID = "art_01920c41d2e07b6a9c8f3e2d1a0b9c8d"
SWEEP_ID = "swp_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"
ESTIMATE_ID = "est_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b"

JOB: dict[str, JsonValue] = {
    "id": JOB_ID,
    "name": None,
    "labels": {},
    "parent_id": None,
    "status": "running",
    "phase": "pruning",
    "progress": {
        "fraction": 0.25,
        "block": {"index": 7, "total": 32, "name": "model.layers.7"},
        "eta_seconds": 312.0,
    },
    "spec": PruneSpec.model_validate(SPEC).model_dump(mode="json"),
    "attempt": 1,
    "worker": "gpu@host",
    "device": "cuda:0",
    "sweep_id": None,
    "result": None,
    "gate": {"max": {"perplexity_ratio": 1.1}, "min": {"sparsity": 0.5}},
    "verdict": "none",
    "gate_failures": [],
    "error": None,
    "warnings": [],
    "created_at": "2026-01-05T09:30:00Z",
    "updated_at": "2026-01-05T09:31:46Z",
    "started_at": "2026-01-05T09:30:02Z",
    "finished_at": None,
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "cancel": f"/v1/jobs/{JOB_ID}/cancel",
        "retry": f"/v1/jobs/{JOB_ID}/retry",
        "rerun": f"/v1/jobs/{JOB_ID}/rerun",
        "result": f"/v1/jobs/{JOB_ID}/result",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "blocks": f"/v1/jobs/{JOB_ID}/blocks",
        "artifacts": f"/v1/jobs/{JOB_ID}/artifacts",
        "archive": f"/v1/jobs/{JOB_ID}/archive",
    },
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
ARTIFACT: dict[str, JsonValue] = {
    "id": ARTIFACT_ID,
    "job_id": JOB_ID,
    "name": "model/config.json",
    "size_bytes": 861,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "media_type": "application/json",
    "created_at": "2026-01-05T09:38:20Z",
    "expires_at": None,
    "url": f"/v1/artifacts/{ARTIFACT_ID}/content",
}
RESULT: dict[str, JsonValue] = {
    "job_id": JOB_ID,
    "metrics": {"sparsity": 0.5, "dense_perplexity": 8.64, "pruned_perplexity": 9.72},
    "artifacts": [ARTIFACT],
    "archive": f"/v1/jobs/{JOB_ID}/archive",
}

EXAMPLES = {
    "JobRequest": SPEC,
    "JobChanges": {"sparsity": 0.6},
    "JobRead": JOB,
    "JobPage": JOBS,
    "JobPreview": PREVIEW,
    "EventRead": EVENT,
    "ArtifactRead": ARTIFACT,
    "JobResult": RESULT,
}
"""By the name of the schema that each is an example of."""
