"""Traces that the processes of the shared service export."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.embedded import SPEC, Service
from tests.e2e.tracing.collector import Collector
from tests.hub import Hub
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client

pytestmark = pytest.mark.e2e
SECRET = "canary.5e80c1b7d94f2a63"
PHASES = ["resolving", "loading", "calibrating"]


def test_a_collector_receives_request_and_attempt_with_a_link_but_no_secret(
    service: Service, client: Client, collector: Collector, hub_of_service: Hub, inputs: Path
) -> None:
    files = {one.name: one.read_bytes() for one in (inputs / "tiny").iterdir()}
    hub_of_service.add_model("org/traced", files, token=SECRET)
    client.secrets.set("traced", SECRET)
    spec: dict[str, Any] = SPEC | {"samples": 4, "model_secret": "traced"}

    job = client.jobs.create("org/traced", **spec)
    job = client.jobs.wait(job.id, timeout_s=DEADLINE_S)

    assert job.status == "succeeded", job.error
    client.secrets.delete("traced")
    eventually(lambda: is_traced(collector, job.id))
    [(worker, attempt)] = attempts(collector, job.id)
    [(api, submitted)] = linked(collector, attempt)
    assert (api, worker) == ("zpruner-api", "zpruner-worker")
    assert [event.name for event in attempt.events][:3] == PHASES
    requests = [span.trace_id for _, span in collector.named("POST /v1/jobs")]
    assert submitted.trace_id in requests
    assert [body for body in collector.bodies if SECRET.encode() in body] == []


def is_traced(collector: Collector, job_id: str) -> bool:
    """Whether the spans of a job, and of the request for it, have arrived."""
    found = [span for _, one in attempts(collector, job_id) for _, span in linked(collector, one)]
    requests = [span.trace_id for _, span in collector.named("POST /v1/jobs")]
    return any(span.trace_id in requests for span in found)


def attempts(collector: Collector, job_id: str) -> list[tuple[str, Any]]:
    """Return the spans of the attempts at a job."""
    return [
        (service, span)
        for service, span in collector.named("attempt")
        if job_id in [one.value.string_value for one in span.attributes]
    ]


def linked(collector: Collector, attempt: Any) -> list[tuple[str, Any]]:
    """Return the spans of the submission that an attempt is linked to."""
    (link,) = attempt.links
    return [
        (service, span)
        for service, span in collector.named("submit")
        if (span.trace_id, span.span_id) == (link.trace_id, link.span_id)
    ]
