"""A private model of the hub, pruned with a token that is stored as a secret."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.embedded import SPEC, Service
from tests.hub import Hub
from tests.worker.webhooks.messages import until
from tests.worker.webhooks.receivers import receiving
from zpruner import Client, Job, ProblemError

pytestmark = pytest.mark.e2e
# Of no known format, so that only its registration removes it from logs.
VALUE = "canary.9f3b7c51d0e84a26"
PAGES = ("", "/result", "/metrics", "/events", "/logs", "/blocks", "/manifest", "/artifacts")


def processes_text(service: Service) -> str:
    """Return the command lines and the environments of all processes of the service."""
    return json.dumps([(one.cmdline(), one.environ()) for one in service.processes()])


def test_a_private_model_is_pruned_with_a_secret_whose_value_appears_nowhere(
    service: Service, client: Client, hub_of_service: Hub, inputs: Path, tmp_path: Path
) -> None:
    files = {one.name: one.read_bytes() for one in (inputs / "tiny").iterdir()}
    hub_of_service.add_model("org/private", files, token=VALUE)
    hub_of_service.add_model("org/denied", files | {"LICENSE.txt": b"ours"}, token=VALUE)
    hub_of_service.failing["LICENSE.txt"] = 403  # only the worker downloads it
    spec: dict[str, Any] = SPEC | {"samples": 4}
    with pytest.raises(ProblemError, match="model_secret"):
        client.jobs.create("org/private", **spec)
    client.secrets.set("hf-private", VALUE)
    spec["model_secret"] = "hf-private"
    seen = []

    def look(_: Job) -> None:
        seen.append(processes_text(service))

    with receiving() as receiver:
        hook = {"url": receiver.url, "events": ["job.running", "job.succeeded"]}
        webhook = httpx.post(f"{service.url}/v1/webhooks", json=hook).json()["id"]
        estimate = client.estimate("org/private", **spec)
        job = client.jobs.create("org/private", **spec)
        job = client.jobs.wait(job.id, timeout_s=120, on_change=look)
        assert job.status == "succeeded", job.error
        until(lambda: len(receiver.requests) == 2)
        deliveries = httpx.get(f"{service.url}/v1/webhooks/{webhook}/deliveries")
        httpx.delete(f"{service.url}/v1/webhooks/{webhook}")
    refused = client.jobs.create("org/denied", **spec | {"dataset": "stdlib-docs"})
    denied = client.jobs.wait(refused.id, timeout_s=120)
    assert denied.error is not None
    assert denied.error.code == "hub_denied"
    client.jobs.download(job.id, tmp_path)
    [used] = [one for one in client.secrets.list() if one.name == "hf-private"]
    assert used.last_used_at is not None
    audit = httpx.get(f"{service.url}/v1/audit")
    assert f"job {job.id}" in audit.text
    pages = [f"/v1/jobs/{one.id}{page}" for one in (job, denied) for page in PAGES]
    pages += ["/metrics", "/v1/jobs", "/v1/secrets", f"/v1/estimates/{estimate.id}"]
    client.secrets.delete("hf-private")

    sent = [one.headers.get("authorization") for one in hub_of_service.requests]
    assert sent.count(f"Bearer {VALUE}") > 3
    texts = [service.log(), audit.text, deliveries.text, *seen]
    texts += [httpx.get(f"{service.url}{page}").text for page in pages]
    texts += [request.body for request in receiver.requests]
    assert "ZPRUNER_DATA_DIR" in "".join(seen)
    assert [one for one in texts if VALUE in one] == []
    kept = [one for folder in (service.data_dir, tmp_path) for one in folder.rglob("*")]
    assert {"zpruner.db", "appendonlydir", "report.json"} <= {one.name for one in kept}
    assert [one for one in kept if one.is_file() and VALUE.encode() in one.read_bytes()] == []
