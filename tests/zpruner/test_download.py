"""Downloads from the real application, over HTTP."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.work import FILES, finish_job
from tests.factories import make_job, make_problem
from tests.zpruner.live import Live
from zpruner import Client, NoFilesError

ERROR = make_problem(code="out_of_memory", detail="no room", hint="Lower samples.")


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"status": "queued"}, 8, "wait for it"),
        ({"status": "running"}, 8, "wait for it"),
        ({"status": "paused"}, 8, "is paused"),
        ({"status": "failed", "error": ERROR.model_dump(mode="json")}, 1, "Lower samples."),
        ({"status": "cancelled"}, 4, "rerun it"),
        ({"status": "expired"}, 5, "retry it"),
    ],
)
def test_a_download_of_a_job_without_files_says_why_and_fails(
    live: Live, tmp_path: Path, fields: dict[str, Any], code: int, said: str
) -> None:
    job = make_job(live.sessions, **fields)

    result = live.run("download", job.id, str(tmp_path / "out"))

    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert fields["status"] in result.stderr
    assert not (tmp_path / "out").exists()
    with Client(live.url) as client, pytest.raises(NoFilesError) as caught:
        client.jobs.download(job.id, tmp_path / "out")
    assert caught.value.job.status == fields["status"]


def test_a_download_that_did_not_pass_its_gate_is_there_but_fails(
    live: Live, tmp_path: Path
) -> None:
    good = finish_job(live.sessions, live.store)
    bad = finish_job(live.sessions, live.store, gate={"max": {}, "min": {"sparsity": 0.9}})

    passed, failed = (live.run("download", one.id, str(tmp_path / one.id)) for one in (good, bad))

    assert (passed.exit_code, failed.exit_code) == (0, 3)
    assert "sparsity = 0.5, wanted at least 0.9" in failed.stderr
    for one, result in ((good, passed), (bad, failed)):
        folder = tmp_path / one.id
        assert result.stdout.splitlines() == [
            str(folder / name) for name in sorted({"SHA256SUMS", *FILES})
        ]
        assert {name: (folder / name).read_bytes() for name in FILES} == FILES
