"""Examples of storage use and retention."""

from pydantic import JsonValue

from api.web.examples.ids import JOB_ID

RULE: dict[str, JsonValue] = {
    "name": "old",
    "labels": {"team": "nlp"},
    "max_age_days": 90.0,
    "max_jobs": None,
    "max_bytes": None,
    "per_model": False,
}

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "StorageRead": {
        "artifacts": 412,
        "artifact_bytes": 618_475_290_624,
        "pinned_bytes": 16_060_522_496,
        "free_bytes": 1_204_500_120_576,
        "models": [{"name": "meta-llama/Llama-3.1-8B", "jobs": 31, "bytes": 497_876_197_376}],
        "labels": [{"name": "team=nlp", "jobs": 12, "bytes": 192_726_269_952}],
    },
    "RetentionRead": {
        "rules": [RULE],
        "jobs": 1,
        "bytes": 16_060_522_496,
        "deletions": [
            {
                "job_id": JOB_ID,
                "name": "nightly",
                "model": "meta-llama/Llama-3.1-8B",
                "finished_at": "2026-01-05T09:38:20Z",
                "bytes": 16_060_522_496,
                "rule": "old",
                "reason": "the job ended more than 90 days ago",
            }
        ],
    },
    "RetentionPreview": {"rules": [{"name": "old", "max_age_days": 90}]},
    "RetentionRule": RULE,
}
