"""Examples of API keys, quotas, secrets and audit entries."""

from pydantic import JsonValue

from api.web.examples.ids import JOB_ID, KEY_ID

QUOTAS: dict[str, JsonValue] = {
    "jobs_in_flight": 4,
    "gpu_hours": 100.0,
    "artifact_bytes": None,
    "monthly_cost": 500.0,
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
        "monthly_cost": {"used": 31.25, "allowed": 500.0},
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
    "data": None,
}

SECRET: dict[str, JsonValue] = {
    "name": "hf-llama",
    "created_by": KEY_ID,
    "created_at": "2026-01-05T09:00:00Z",
    "replaced_at": None,
    "last_used_at": "2026-01-05T09:30:00Z",
}

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "KeyRequest": {"name": "nightly", "scopes": KEY["scopes"], "quotas": QUOTAS},
    "KeyPatch": {"quotas": {"monthly_cost": 750.0}},
    "KeyRead": KEY,
    "Me": ME,
    "SecretRequest": {"name": "hf-llama", "value": "hf_the-token-of-the-hub"},
    "SecretChange": {"value": "hf_the-token-of-the-hub"},
    "SecretRead": SECRET,
    "AuditRead": AUDIT,
}
