"""Examples of files, results, links and datasets."""

from pydantic import JsonValue

from api.web.examples.ids import ARTIFACT_ID, DATASET_ID, JOB_ID, KEY_ID

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
    "deleted_at": None,
    "deleted_by": None,
    "expires_at": None,
    "url": f"/v1/artifacts/{ARTIFACT_ID}/content",
}

RESULT: dict[str, JsonValue] = {
    "job_id": JOB_ID,
    "metrics": {"sparsity": 0.5, "dense_perplexity": 8.64, "pruned_perplexity": 9.72},
    "warnings": [],
    "artifacts": [ARTIFACT],
    "archive": f"/v1/jobs/{JOB_ID}/archive",
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

OUTPUT: dict[str, JsonValue] = {
    "index": 0,
    "target": {"hub": "org/name", "secret": "hf-write", "private": True, "revision": "main"},
    "state": "running",
    "progress": {
        "bytes_sent": 5368709120,
        "bytes_total": 16060522496,
        "files_sent": 2,
        "files_total": 14,
    },
    "attempts": 1,
    "next_attempt_at": None,
    "url": None,
    "error": None,
    "finished_at": None,
    "actions": ["cancel"],
}

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "ArtifactRead": ARTIFACT,
    "JobResult": RESULT,
    "OutputRead": OUTPUT,
    "DatasetRead": DATASET,
    "DatasetDetail": DATASET
    | {
        "lines": ['{"text": "Thanks for your message."}'],
        "fields": ["text"],
        "approximate_tokens": 1835008,
        "jobs": [
            {
                "id": JOB_ID,
                "name": "nightly",
                "status": "succeeded",
                "created_at": "2026-01-05T09:30:00Z",
            }
        ],
    },
    "ModelRead": {"model": "local:SmolLM2-135M-Instruct", "kind": "local"},
    "LinkRequest": {"expires_in": 86400},
    "LinkRead": LINK,
}
