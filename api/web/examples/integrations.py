"""Examples of webhooks and triggers."""

from pydantic import JsonValue

from api.web.examples.ids import DELIVERY_ID, JOB_ID, KEY_ID, TRIGGER_ID, WEBHOOK_ID

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
    "undelivered": 0,
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

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "WebhookRequest": WEBHOOK_REQUEST,
    "WebhookPatch": {"events": ["job.succeeded"], "enabled": True},
    "WebhookRead": WEBHOOK,
    "DeliveryRead": DELIVERY,
    "TriggerRequest": TRIGGER_REQUEST,
    "TriggerPatch": {"filter": {"/event/scope": ["repo", "repo.content"]}},
    "TriggerRead": TRIGGER,
    "TriggerDeliveryRead": TRIGGER_DELIVERY,
    "HookAnswer": HOOK_ANSWER,
}
