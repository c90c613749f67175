"""A model and a text in a bucket, pruned through the service with a caller's access key."""

from pathlib import Path

import pytest

from tests.bucket_server import put_objects
from tests.e2e import places
from tests.e2e.embedded import SPEC, Service
from tests.e2e.shared_service import INPUTS
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e
SECRET = "canary.4e8d07b2c6a91f35"


def test_a_model_and_a_text_in_a_bucket_are_pruned_and_the_access_key_appears_nowhere(
    service: Service, client: Client, s3_server: str, inputs: Path, tmp_path: Path
) -> None:
    files = {f"tiny/{one.name}": one.read_bytes() for one in (inputs / "tiny").iterdir()}
    files["text.txt"] = (inputs / "text.txt").read_bytes()
    put_objects(s3_server, INPUTS, files)
    client.secrets.set("bucket", f"AKIACALLER:{SECRET}")
    spec = SPEC | {"dataset": f"{INPUTS}/text.txt", "samples": 4, "model_secret": "bucket"}

    job = client.jobs.create(f"{INPUTS}/tiny", **spec)
    job = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
    local = client.jobs.create("local:tiny", **SPEC, samples=4)
    local = client.jobs.wait(local.id, timeout_s=DEADLINE_S)

    assert job.status == local.status == "succeeded", (job.error, local.error)
    client.jobs.download(job.id, tmp_path / "bucket")
    client.jobs.download(local.id, tmp_path / "local")
    ours, theirs = (
        {one.name: one.read_bytes() for one in (tmp_path / name).rglob("*.safetensors")}
        for name in ("bucket", "local")
    )
    assert ours == theirs
    client.secrets.delete("bucket")
    found = dict(places.responses(service, [f"/v1/jobs/{job.id}{one}" for one in places.OF_A_JOB]))
    found.update(places.tables(service.data_dir / "zpruner.db"))
    found.update(places.files(service.data_dir, tmp_path))
    found.update(places.processes(service))
    found["log"] = service.log().encode()
    found.update(places.responses(service, ["/v1/audit"]))
    assert b"use_secret" in found["GET /v1/audit"]
    assert [place for place, content in found.items() if SECRET.encode() in content] == []
