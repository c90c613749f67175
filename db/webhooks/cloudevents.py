"""The bodies of webhook messages: CloudEvents 1.0 as JSON, limited in size."""

import json
from datetime import datetime
from typing import Any

from db.core.escaping import escape_surrogates
from db.core.states import JobState
from db.spec.quality_gate import is_number
from db.tables.jobs import Job, JobEvent
from db.tables.webhooks import Webhook
from db.webhooks.event_types import STATUS, TEST_EVENT, EventType

MEDIA_TYPE = "application/cloudevents+json"
MAX_BYTES = 20_000
OMITTABLE = ("metrics", "labels")
"""The fields to leave out, in this order, if the body is too long; receivers can get the job."""
ERROR_LENGTHS = {"type": 200, "title": 200, "code": 100, "detail": 1000, "hint": 500}


def job_body(message_id: str, event: JobEvent, job: Job) -> str:
    """Return the body of the message about a job's event, within `MAX_BYTES`."""
    bodies = (_job_body(message_id, event, job, OMITTABLE[:count]) for count in range(3))
    return next(body for body in bodies if len(body.encode()) <= MAX_BYTES)


def test_body(message_id: str, webhook: Webhook, at: datetime) -> str:
    """Return the body of a test message."""
    data = {"webhook": {"id": webhook.id, "description": webhook.description}}
    return _cloud_event(message_id, TEST_EVENT, f"/v1/webhooks/{webhook.id}", webhook.id, at, data)


def _job_body(message_id: str, event: JobEvent, job: Job, omitted: tuple[str, ...]) -> str:
    fields = {name: value for name, value in _job_fields(event, job).items() if name not in omitted}
    data = {"job": fields} | ({"omitted": list(omitted)} if omitted else {})
    kind = EventType.of(event.kind, event.status)
    if kind.subject != "job":
        data[kind.subject] = event.data | {"error": _shortened(event.data.get("error"))}
    return _cloud_event(message_id, kind, f"/v1/jobs/{job.id}", job.id, event.at, data)


def _cloud_event(
    message_id: str, kind: str, source: str, subject: str, at: datetime, data: dict[str, Any]
) -> str:
    fields = {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "subject": subject,
        "type": kind,
        "time": _timestamp(at),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _job_fields(event: JobEvent, job: Job) -> dict[str, Any]:
    """Return the job's fields; its status, attempt and error are those at the time of the event."""
    succeeded = event.status is JobState.succeeded
    ended = event.at if event.kind == STATUS else job.finished_at
    return {
        "id": job.id,
        "name": job.name,
        "status": event.status.value,
        "labels": job.labels,
        "model": job.spec.model,
        "verdict": job.verdict.value if succeeded else "none",
        "attempt": event.attempt,
        "created_at": _timestamp(job.created_at),
        "finished_at": _timestamp(ended) if ended and event.status.is_final else None,
        "metrics": _numbers(job.result or {}) if succeeded else None,
        "error": _shortened(event.data.get("error")) if event.kind == STATUS else None,
    }


def _numbers(result: dict[str, Any]) -> dict[str, float]:
    """Return the top-level numbers of a job's result."""
    return {name: value for name, value in result.items() if is_number(value)}


def _shortened(error: dict[str, Any] | None) -> dict[str, Any] | None:
    if error is None:
        return None
    texts = {
        name: escape_surrogates(error[name])[:length]
        for name, length in ERROR_LENGTHS.items()
        if error.get(name) is not None
    }
    return texts | {name: error[name] for name in ("status", "retryable") if name in error}


def _timestamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
