"""A job whose result the service sends to a hub, with a token that is stored as a secret."""

from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.e2e import places
from tests.e2e.embedded import REQUEST_S, SPEC, Service
from tests.hub_uploads import WritableHub
from tests.waiting import DEADLINE_S, eventually
from tests.worker.webhooks.receivers import receiving
from zpruner import Client

pytestmark = pytest.mark.e2e
VALUE = "canary.7c0a94e1b25d4f38"


def test_the_result_arrives_as_one_commit_and_the_token_appears_nowhere(
    service: Service, client: Client, hub_of_service: WritableHub, tmp_path: Path
) -> None:
    hub_of_service.token = VALUE
    client.secrets.set("hf-write", VALUE)
    target = {"hub": "team/pruned", "secret": "hf-write"}
    with receiving() as receiver:
        hook = {"url": receiver.url, "events": ["output.succeeded"]}
        made = httpx.post(f"{service.url}/v1/webhooks", json=hook, timeout=REQUEST_S)
        webhook = made.json()["id"]
        job = client.jobs.create("local:tiny", **SPEC, samples=4, output=[target])
        job = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
        assert job.status == "succeeded", job.error
        eventually(lambda: client.jobs.outputs(job.id)[0].state == "succeeded")
        eventually(lambda: len(receiver.requests) == 1)
        httpx.delete(f"{service.url}/v1/webhooks/{webhook}", timeout=REQUEST_S)
    (output,) = client.jobs.get(job.id).outputs
    client.jobs.download(job.id, tmp_path)
    client.secrets.delete("hf-write")

    repo = hub_of_service.models["team/pruned"]
    assert output.url == f"{hub_of_service.url}/team/pruned/commit/{repo.sha}"
    digests = {one.name: one.sha256 for one in client.jobs.artifacts(job.id)}
    sent = {name: sha256(data).hexdigest() for name, data in repo.files.items()}
    del sent[".gitattributes"]
    assert sent == digests
    assert len(hub_of_service.commits["team/pruned"]) == 1
    assert b"hf-write" not in repo.files["report.json"] + repo.files["provenance.json"]
    (message,) = (one.body for one in receiver.requests)
    assert output.url in message
    pages = ("", "/result", "/events", "/logs", "/outputs", "/manifest", "/provenance")
    read = places.responses(service, [f"/v1/jobs/{job.id}{page}" for page in pages])
    texts = [content.decode() for _, content in read]
    texts += [service.log(), message]
    texts += [content.decode() for _, content in places.responses(service, ["/v1/audit"])]
    assert f"output 0 of job {job.id}" in texts[-1]
    assert [one for one in texts if VALUE in one] == []
    kept = places.files(service.data_dir, tmp_path)
    assert [place for place, content in kept if VALUE.encode() in content] == []
