"""Results are sent from the bucket in which the service stores its files."""

from pathlib import Path

import pytest

from db.buckets.bucket import Bucket
from db.buckets.object_reader import ObjectReader
from db.files.artifact_store import ArtifactStore
from db.files.bucket_store import BucketStore
from db.files.staging import Staging
from db.tables.outputs import OutputState
from tests.hub_uploads import WritableHub
from tests.proxy import Proxy
from tests.worker.outputs.sending import FILES, SECRET, Sending

# By huggingface_hub, about its own use of its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


@pytest.fixture
def store(bucket: Bucket, tmp_path: Path) -> ArtifactStore:
    return BucketStore(bucket, Staging(tmp_path / "staging"))


def test_the_files_of_a_bucket_become_one_commit(
    sending: Sending, hub: WritableHub, hub_proxy: Proxy
) -> None:
    hub.token = SECRET
    sending.set_secret("write", SECRET)
    job = sending.finish_job({"hub": "org/pruned", "secret": "write"})
    sending.send()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert FILES.items() <= hub.models["org/pruned"].files.items()


def test_an_object_is_read_from_any_position(bucket: Bucket) -> None:
    content = bytes(range(256)) * 40
    bucket.write("one", content)
    file = ObjectReader(bucket, bucket.find("one"))
    assert file.read(10) == content[:10]
    assert file.seek(-6, 2) == len(content) - 6
    assert file.read() == content[-6:]
    assert file.read(1) == b""
    file.seek(100)
    file.seek(5, 1)
    assert (file.tell(), file.read(3)) == (105, content[105:108])
