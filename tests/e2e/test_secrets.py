"""A private model of the hub, pruned with a token that is stored as a secret."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import places
from tests.e2e.embedded import REQUEST_S, SPEC, Service, until
from tests.hub import Hub
from tests.waiting import DEADLINE_S, eventually
from tests.worker.webhooks.receivers import receiving
from zpruner import Client, Job, ProblemError

pytestmark = pytest.mark.e2e
# Of no known format, so that only its registration removes it from logs.
VALUE = "canary.9f3b7c51d0e84a26"


@pytest.fixture
def spec(client: Client, hub_of_service: Hub, inputs: Path) -> dict[str, Any]:
    """A specification that names the secret, for one model and two that fail in the worker."""
    files = {one.name: one.read_bytes() for one in (inputs / "tiny").iterdir()}
    hub_of_service.add_model("org/private", files, token=VALUE)
    hub_of_service.add_model("org/denied", files | {"LICENSE.txt": b"ours"}, token=VALUE)
    hub_of_service.add_model("org/broken", files | {"NOTICE.txt": b"ours"}, token=VALUE)
    # The hub's responses repeat the request, with the value.
    hub_of_service.failing |= {"LICENSE.txt": 403, "NOTICE.txt": 500}
    spec: dict[str, Any] = SPEC | {"samples": 4}
    with pytest.raises(ProblemError, match="model_secret"):
        client.jobs.create("org/private", **spec)
    client.secrets.set("hf-private", VALUE)
    return spec | {"model_secret": "hf-private"}


def failed_jobs(client: Client, spec: dict[str, Any]) -> list[Job]:
    """Return a job that the hub denied, and one that waits because the hub fails."""
    spec |= {"dataset": "stdlib-docs"}  # then only the worker downloads the files that fail
    denied = client.jobs.create("org/denied", **spec)
    denied = client.jobs.wait(denied.id, timeout_s=DEADLINE_S)
    assert denied.error is not None
    assert denied.error.code == "hub_denied"
    broken = client.jobs.create("org/broken", **spec)
    broken = until(client, broken.id, has_failed_once)
    return [denied, client.jobs.cancel(broken.id)]


def has_failed_once(job: Job) -> bool:
    """Whether an attempt has ended because the hub could not be used."""
    errors = [one["error"] for one in job.attempts if one.get("error")]
    return [one["code"] for one in errors] == ["hub_unreachable"]


def test_a_private_model_is_pruned_with_a_secret_whose_value_appears_nowhere(
    service: Service,
    client: Client,
    hub_of_service: Hub,
    spec: dict[str, Any],
    tmp_path: Path,
) -> None:
    found: dict[str, bytes] = {}

    def look(_: Job) -> None:
        found.update(places.processes(service))

    with receiving() as receiver:
        hook = {"url": receiver.url, "events": ["job.running", "job.succeeded"]}
        made = httpx.post(f"{service.url}/v1/webhooks", json=hook, timeout=REQUEST_S)
        webhook = made.json()["id"]
        estimate = client.estimate("org/private", timeout_s=DEADLINE_S, **spec)
        job = client.jobs.create("org/private", **spec)
        job = client.jobs.wait(job.id, timeout_s=DEADLINE_S, on_change=look)
        assert job.status == "succeeded", job.error
        eventually(lambda: len(receiver.requests) == 2)
        jobs = [job, *failed_jobs(client, spec)]
        paths = [f"/v1/jobs/{one.id}{page}" for one in jobs for page in places.OF_A_JOB]
        paths += [f"/v1/estimates/{estimate.id}", f"/v1/webhooks/{webhook}/deliveries"]
        found.update(places.responses(service, [*paths, *places.OF_THE_SERVICE]))
        httpx.delete(f"{service.url}/v1/webhooks/{webhook}", timeout=REQUEST_S)
    client.jobs.download(job.id, tmp_path)
    [used] = [one for one in client.secrets.list() if one.name == "hf-private"]
    assert used.last_used_at is not None
    assert f"job {job.id}".encode() in found["GET /v1/audit"]
    client.secrets.delete("hf-private")
    found.update(places.tables(service.data_dir / "zpruner.db"))
    found.update(places.files(service.data_dir, tmp_path))
    found["log"] = service.log().encode()
    found["webhooks"] = "".join(one.body for one in receiver.requests).encode()

    sent = [one.headers.get("authorization") for one in hub_of_service.requests]
    assert sent.count(f"Bearer {VALUE}") > 3
    assert any(b"ZPRUNER_DATA_DIR" in content for content in found.values())
    assert {"table jobs", "table job_logs", "table caller_secrets"} <= found.keys()
    assert len(found) > 100
    assert [place for place, content in found.items() if VALUE.encode() in content] == []
