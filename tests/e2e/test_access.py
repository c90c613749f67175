"""Keys in the whole service: what they allow, and that they are never stored or logged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.embedded import serving, submit
from tests.processes import suspended, tree
from tests.waiting import DEADLINE_S
from zpruner import Client, ProblemError

pytestmark = pytest.mark.e2e


def first_key(data_dir: Path) -> str:
    command = [sys.executable, "-P", "-m", "zpruner", "keys", "bootstrap", "Ada"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")}
    env["ZPRUNER_DATA_DIR"] = str(data_dir)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.removesuffix("\n")


def test_a_job_needs_a_key_which_appears_in_no_file_or_log(
    data_dir: Path, inputs: Path, tmp_path: Path
) -> None:
    downloads = tmp_path / "downloads"
    admin = first_key(data_dir)
    with serving(data_dir, inputs, ZPRUNER_HOST="0.0.0.0") as service:
        with Client(service.url) as anonymous, pytest.raises(ProblemError, match="has no key"):
            anonymous.jobs.list()
        with Client(service.url, admin) as client:
            made = client.keys.create("ci", jobs_in_flight=1)
        with Client(service.url, made.key) as client:
            with suspended(tree(service.worker()), data_dir):  # so that the first does not end
                job = submit(client, "tiny")
                with pytest.raises(ProblemError, match="its 1 jobs_in_flight"):
                    submit(client, "tiny")
            job = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
            assert (job.status, job.created_by) == ("succeeded", made.id)
            assert client.jobs.download(job.id, downloads)
            quotas = client.me().quotas
            assert quotas is not None
            assert quotas["jobs_in_flight"].used == 0
            assert quotas["gpu_hours"].used > 0
            written = [one for one in downloads.rglob("*") if one.is_file()]
            assert quotas["artifact_bytes"].used == sum(one.stat().st_size for one in written)
    kept = [one for one in (*data_dir.rglob("*"), *downloads.rglob("*")) if one.is_file()]
    assert "zpruner.db" in {one.name for one in kept}
    kept.append(service.log_file)
    for key in (admin, made.key):
        secret = key.rpartition("_")[2].encode()
        assert [one for one in kept if secret in one.read_bytes()] == []
