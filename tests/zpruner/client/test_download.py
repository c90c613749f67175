"""Downloads from the real application, and from a small server with faults."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.api.work import FILES, finish_job
from tests.factories import make_job, make_problem
from tests.waiting import DEADLINE_S
from tests.zpruner.client.downloads import (
    CONTENT,
    FILE,
    JOB,
    LIST,
    REFUSED,
    prepare,
    requested_ranges,
)
from tests.zpruner.live import Live
from tests.zpruner.service import Answer, Service, artifact, job, page, problem
from zpruner import (
    AsyncClient,
    Client,
    CorruptedError,
    NoFilesError,
    OtherFileError,
    ServiceError,
)
from zpruner.cli.commands.main import app
from zpruner.client import download
from zpruner.client.transport.transport import MAX_RETRIES

ERROR = make_problem(code="out_of_memory", detail="no room", hint="Lower samples.")


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"status": "queued"}, 8, "wait for it"),
        ({"status": "running"}, 8, "wait for it"),
        ({"status": "paused"}, 8, "is paused"),
        ({"status": "failed", "error": ERROR.model_dump(mode="json")}, 1, "Lower samples."),
        ({"status": "cancelled"}, 4, "rerun it"),
        ({"status": "expired"}, 5, "retry it"),
    ],
)
def test_downloading_from_a_job_without_files_fails_with_the_reason(
    live: Live, tmp_path: Path, fields: dict[str, Any], code: int, text: str
) -> None:
    job = make_job(live.sessions, **fields)

    result = live.run("download", job.id, str(tmp_path / "out"))

    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr
    assert fields["status"] in result.stderr
    assert not (tmp_path / "out").exists()
    assert live.run("result", job.id).exit_code == code
    with Client(live.url) as client, pytest.raises(NoFilesError) as caught:
        client.jobs.download(job.id, tmp_path / "out")
    assert caught.value.job.status == fields["status"]


def test_files_of_a_job_that_failed_its_gate_are_downloaded_with_exit_code_3(
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


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_S", 0.0)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Split files into pieces of 16 KiB."""
    monkeypatch.setattr(download, "PIECE_BYTES", 1 << 14)


def test_a_download_goes_on_after_broken_connections(
    service: Service, client: Client, tmp_path: Path
) -> None:
    lost, broken = Answer(200, CONTENT, cut=0), Answer(200, CONTENT, cut=5_000)
    prepare(service, *[lost, broken] * MAX_RETRIES, Answer(200, CONTENT))

    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT
    assert requested_ranges(service)[-1] == (5_000 * MAX_RETRIES, len(CONTENT))


def test_an_interrupted_download_is_resumed(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, Answer(200, CONTENT, cut=70_000), Answer(200, CONTENT, cut=0))

    with pytest.raises(ServiceError, match="resume"):
        client.jobs.download("job_1", tmp_path)
    assert len(requested_ranges(service)) == 2 + MAX_RETRIES
    service.prepare(FILE, Answer(200, CONTENT))
    (path,) = client.jobs.download("job_1", tmp_path)

    assert path == tmp_path / "model" / "weights.bin"
    assert path.read_bytes() == CONTENT
    resumed = service.seen[-1][2]
    assert resumed is not None
    assert 0 < int(resumed[6:-1]) <= 70_000
    assert list(tmp_path.rglob("*.part")) == []


def test_a_complete_file_is_not_downloaded_again(
    service: Service, client: Client, tmp_path: Path
) -> None:
    service.prepare(LIST, page(artifact(CONTENT)))
    service.prepare(JOB, Answer(200, job("succeeded")))
    service.prepare(FILE, Answer(200, CONTENT))

    client.jobs.download("job_1", tmp_path)
    client.jobs.download("job_1", tmp_path)

    assert [path for _, path, _ in service.seen].count(FILE) == 1


def test_a_file_of_another_content_is_not_replaced_unless_it_is_forced(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, Answer(200, CONTENT))
    service.prepare(LIST, page(artifact(CONTENT, "new.bin"), artifact(CONTENT, "README.md")))
    (tmp_path / "README.md").write_text("my own")

    with pytest.raises(OtherFileError, match=r"README\.md exists .*another folder.* --force"):
        client.jobs.download("job_1", tmp_path)
    refused = run_download(service, tmp_path)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "my own"
    assert requested_ranges(service) == []
    assert run_download(service, tmp_path, "--force").exit_code == 0
    assert (tmp_path / "README.md").read_bytes() == CONTENT
    assert run_download(service, tmp_path).exit_code == 0


def test_a_forced_download_is_resumed_without_force(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, Answer(200, CONTENT, cut=70_000), REFUSED, Answer(200, CONTENT))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"of an earlier job")

    with pytest.raises(ServiceError, match="forbidden"):
        client.jobs.download("job_1", tmp_path, force=True)
    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT


def run_download(service: Service, folder: Path, *options: str) -> Result:
    words = ["download", "job_1", str(folder), *options]
    return CliRunner(env={"ZPRUNER_URL": service.url}).invoke(app, words)


def test_a_corrupt_file_is_deleted(service: Service, client: Client, tmp_path: Path) -> None:
    service.prepare(LIST, page(artifact(CONTENT)))
    service.prepare(JOB, Answer(200, job("succeeded")))
    service.prepare(FILE, Answer(200, b"\x01" + CONTENT[1:]))

    with pytest.raises(CorruptedError, match="sha256"):
        client.jobs.download("job_1", tmp_path)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["../escaped", "/etc/escaped", "a/../../escaped", ""])
def test_an_artifacts_name_never_points_outside_the_folder(
    service: Service, client: Client, tmp_path: Path, name: str
) -> None:
    service.prepare(LIST, page(artifact(CONTENT, name=name)))
    service.prepare(JOB, Answer(200, job("succeeded")))

    with pytest.raises(ServiceError, match="refusing"):
        client.jobs.download("job_1", tmp_path)


async def download_async(live: Live, job_id: str, folder: Path) -> list[Path]:
    async with AsyncClient(live.url) as client:
        found = await client.jobs.get(job_id)
        return [*await found.download(folder)]


def download_sync(live: Live, job_id: str, folder: Path) -> list[Path]:
    with Client(live.url) as client:
        return [*client.jobs.get(job_id).download(folder)]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_real_service_serves_large_files_in_pieces(
    live: Live, tmp_path: Path, small_pieces: None, kind: str
) -> None:
    content = random.Random(7).randbytes(300_001)
    files = FILES | {"model/large.bin": content, "model/empty.bin": b""}
    made = finish_job(live.sessions, live.store, files)

    for _ in range(2):
        if kind == "async":
            paths = asyncio.run(download_async(live, made.id, tmp_path))
        else:
            paths = download_sync(live, made.id, tmp_path)

        there = {str(path.relative_to(tmp_path)): path.read_bytes() for path in paths}
        assert {name: there[name] for name in files} == files
        assert set(there) == {"SHA256SUMS", *files}
        assert sorted(paths) == sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_pieces_are_requested_in_parallel(
    service: Service, client: Client, tmp_path: Path, small_pieces: None
) -> None:
    together = threading.Barrier(4)
    content = CONTENT[: 4 << 14]  # a fifth piece would wait for ever
    prepare(
        service,
        Answer(200, content, before=lambda: together.wait(timeout=DEADLINE_S)),
        content=content,
    )

    (path,) = client.jobs.download("job_1", tmp_path, parallel=4)

    assert path.read_bytes() == content
    assert not together.broken


def test_only_the_missing_bytes_of_interrupted_pieces_are_requested_again(
    service: Service, client: Client, tmp_path: Path, small_pieces: None
) -> None:
    prepare(service, *[Answer(200, CONTENT)] * 2, Answer(200, CONTENT, cut=5000), REFUSED)
    with pytest.raises(ServiceError, match="forbidden"):
        client.jobs.download("job_1", tmp_path, parallel=2)
    service.seen.clear()
    service.prepare(FILE, Answer(200, CONTENT))

    (path,) = client.jobs.download("job_1", tmp_path, parallel=3)

    assert path.read_bytes() == CONTENT
    assert sum(stop - start for start, stop in requested_ranges(service)) <= len(CONTENT) - 2 * (
        1 << 14
    )
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["weights.bin"]


def test_corruption_of_a_resumed_file_is_detected(
    service: Service, client: Client, tmp_path: Path, small_pieces: None
) -> None:
    prepare(service, Answer(200, CONTENT, cut=9000), REFUSED)
    with pytest.raises(ServiceError, match="forbidden"):
        client.jobs.download("job_1", tmp_path, parallel=1)
    part = tmp_path / "model" / "weights.bin.part"
    part.write_bytes(bytes([part.read_bytes()[0] ^ 1]) + part.read_bytes()[1:])
    service.prepare(FILE, Answer(200, CONTENT))

    with pytest.raises(CorruptedError):
        client.jobs.download("job_1", tmp_path)
    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT


def test_the_part_left_by_an_earlier_version_is_resumed(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, Answer(200, CONTENT))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin.part").write_bytes(CONTENT[:70_000])

    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT
    assert requested_ranges(service) == [(70_000, len(CONTENT))]


def test_a_service_that_ignores_ranges_is_read_from_the_beginning_in_one_piece(
    service: Service, client: Client, tmp_path: Path, small_pieces: None
) -> None:
    whole = Answer(200, CONTENT, is_whole=True)
    prepare(service, Answer(200, CONTENT, cut=50_000, is_whole=True), REFUSED, whole)

    with pytest.raises(ServiceError, match="forbidden"):
        client.jobs.download("job_1", tmp_path, parallel=1)
    (path,) = client.jobs.download("job_1", tmp_path, parallel=1)
    assert path.read_bytes() == CONTENT

    path.unlink()
    with pytest.raises(ServiceError, match="--parallel 1"):
        client.jobs.download("job_1", tmp_path, parallel=2)
    (path,) = client.jobs.download("job_1", tmp_path, parallel=1)
    assert path.read_bytes() == CONTENT


def test_a_rate_limited_piece_is_requested_again(
    service: Service, client: Client, tmp_path: Path
) -> None:
    soon = Answer(429, problem("rate_limited", 429), headers={"Retry-After": "0"})
    prepare(service, soon, soon, Answer(200, CONTENT))
    (path,) = client.jobs.download("job_1", tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_killed_download_is_resumed(service: Service, client: Client, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(9_000_000)
    resumed = threading.Event()
    stalled = Answer(200, content, cut=6_000_000, after=lambda: resumed.wait(timeout=DEADLINE_S))
    prepare(service, stalled, Answer(200, content), content=content)
    command = [sys.executable, "-m", "zpruner", "download", "job_1", str(tmp_path)]
    environment = {**os.environ, "ZPRUNER_URL": service.url}
    with subprocess.Popen(command, env=environment) as process:
        part = tmp_path / "model" / "weights.bin.part"
        while process.poll() is None and not (part.exists() and part.stat().st_size >= 6_000_000):
            time.sleep(0.02)
        process.kill()
    resumed.set()

    (path,) = client.jobs.download("job_1", tmp_path)

    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == content
    assert requested_ranges(service)[-1][0] >= 4 << 20


def test_a_download_that_ran_out_of_space_is_resumed(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, Answer(200, CONTENT))
    limited = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (50_001, 50_001)); "
    code = limited + "from zpruner.cli.commands.main import main; main()"
    command = [sys.executable, "-c", code, "download", "job_1", str(tmp_path)]
    environment = {**os.environ, "ZPRUNER_URL": service.url}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "name a writable folder with enough space" in done.stderr

    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT
    assert requested_ranges(service)[-1] == (50_001, len(CONTENT))


def test_a_cancelled_download_is_resumed(
    service: Service, tmp_path: Path, small_pieces: None
) -> None:
    stuck = threading.Event()
    held = Answer(200, CONTENT, before=lambda: stuck.wait(timeout=DEADLINE_S))
    prepare(service, *[Answer(200, CONTENT)] * 2, held)

    async def give_up() -> None:
        async with AsyncClient(service.url) as client:
            task = asyncio.create_task(client.jobs.download("job_1", tmp_path, parallel=2))
            while len(requested_ranges(service)) < 4:
                await asyncio.sleep(0.02)
            task.cancel()
            stuck.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(give_up())
    service.prepare(FILE, Answer(200, CONTENT))
    with Client(service.url) as client:
        (path,) = client.jobs.download("job_1", tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("kept", ["", "{}", '{"sha256": "SHA", "missing": [[0, 999999999]]}'])
def test_a_damaged_list_of_missing_ranges_is_ignored(
    service: Service, client: Client, tmp_path: Path, kept: str
) -> None:
    prepare(service, Answer(200, CONTENT))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin.part").write_bytes(b"something else")
    sha256 = artifact(CONTENT)["sha256"]
    (tmp_path / "model" / "weights.bin.missing").write_text(kept.replace("SHA", sha256))

    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT


def test_a_list_of_missing_ranges_without_its_part_is_ignored(
    service: Service, client: Client, tmp_path: Path, small_pieces: None
) -> None:
    prepare(service, Answer(200, CONTENT), Answer(200, CONTENT, cut=5000), REFUSED)
    with pytest.raises(ServiceError, match="forbidden"):
        client.jobs.download("job_1", tmp_path, parallel=2)
    (tmp_path / "model" / "weights.bin.part").unlink()
    service.prepare(FILE, Answer(200, CONTENT))

    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT


def test_an_unwritable_folder_is_named(live: Live, tmp_path: Path) -> None:
    made = finish_job(live.sessions, live.store)
    (tmp_path / "file").write_text("in the way")

    result = live.run("download", made.id, str(tmp_path / "file" / "below"))

    assert result.exit_code == 2
    assert str(tmp_path / "file") in result.stderr
    assert "name a writable folder" in result.stderr
