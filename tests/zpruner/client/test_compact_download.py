"""Downloads of the compact archive, which is expanded as it arrives."""

import asyncio
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.api.work import finish_job
from tests.zpruner.files.safetensors_files import random_content, write_safetensors
from tests.zpruner.live import Live
from tests.zpruner.service import Answer, Service, artifact, job, page
from zpruner import AsyncClient, Client, ServiceError
from zpruner.client import download
from zpruner.files.compact_file import CompactFile

JOB = "/v1/jobs/job_1"
ARCHIVE = f"{JOB}/archive?format=compact"


@pytest.fixture
def weights(tmp_path: Path) -> bytes:
    tensors = {"weight": random_content("BF16", (64, 64), 0.7)}
    return write_safetensors(tmp_path / "weights", tensors)


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"job_1/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def prepare(service: Service, weights: bytes, answer: Answer) -> None:
    """Prepare a job with one weight file and another file."""
    service.prepare(JOB, Answer(200, job("succeeded")))
    rows = (artifact(weights, "model.safetensors"), artifact(b"{}", "config.json"))
    service.prepare(f"{JOB}/artifacts", page(*rows))
    service.prepare(ARCHIVE, answer)


def compact(folder: Path, content: bytes) -> bytes:
    path = folder / "plain"
    path.write_bytes(content)
    return b"".join(CompactFile.at(path))


async def download_async(live: Live, job_id: str, folder: Path) -> list[Path]:
    async with AsyncClient(live.url) as client:
        found = await client.jobs.get(job_id)
        return [*await found.download(folder, format="compact")]


def test_the_same_files_are_written_as_by_a_plain_download(
    live: Live, tmp_path: Path, weights: bytes
) -> None:
    files = {"model/a.safetensors": weights, "model/config.json": b"{}", "report.json": b"{}"}
    made = finish_job(live.sessions, live.store, files)

    with Client(live.url) as client:
        plain = client.jobs.download(made.id, tmp_path / "plain")
        client.jobs.download(made.id, tmp_path / "blocking", format="compact")
    asyncio.run(download_async(live, made.id, tmp_path / "async"))
    command = live.run("download", made.id, str(tmp_path / "cli"), "--format", "compact")

    assert (command.exit_code, command.stderr) == (0, "")
    names = {path.relative_to(tmp_path / "plain") for path in plain}
    for folder in (tmp_path / name for name in ("blocking", "async", "cli")):
        written = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        assert written == names
        for name in names:
            assert (folder / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_a_connection_that_is_lost_leaves_no_file(
    service: Service, client: Client, tmp_path: Path, weights: bytes
) -> None:
    files = {"model.compact.safetensors": compact(tmp_path, weights), "config.json": b"{}"}
    prepare(service, weights, Answer(200, tar_of(files), cut=2000))
    with pytest.raises(ServiceError, match=r"the files of job_1 \(try again\): the connection"):
        client.jobs.download("job_1", tmp_path / "out", format="compact")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model.compact.safetensors": b"{}"}, "ends before its header does"),
        ({"config.json": b"[]"}, "config.json has the sha256"),
        ({"config.json": None}, "the archive lacks config.json"),
        ({"../escaped": b"x"}, "the archive holds '../escaped', which is no file of it"),
        ({"other.txt": b"x"}, "the archive holds 'other.txt', which is no file of it"),
    ],
)
def test_an_archive_that_is_not_as_listed_is_refused(
    service: Service, client: Client, tmp_path: Path, weights: bytes, change: Any, reason: str
) -> None:
    files = {"model.compact.safetensors": compact(tmp_path, weights), "config.json": b"{}"}
    files |= change
    sent = {name: content for name, content in files.items() if content is not None}
    prepare(service, weights, Answer(200, tar_of(sent)))
    with pytest.raises(ServiceError, match=reason):
        client.jobs.download("job_1", tmp_path / "out", format="compact")
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left <= {"model.safetensors", "config.json"}
    assert not (tmp_path / "escaped").exists()


def test_weights_that_expand_to_others_than_listed_are_refused(
    service: Service, client: Client, tmp_path: Path, weights: bytes
) -> None:
    other = write_safetensors(tmp_path / "other", {"a": random_content("F16", (9,), 0.5)})
    files = {"model.compact.safetensors": compact(tmp_path, other), "config.json": b"{}"}
    prepare(service, weights, Answer(200, tar_of(files)))
    with pytest.raises(ServiceError, match=r"model\.safetensors has the sha256"):
        client.jobs.download("job_1", tmp_path / "out", format="compact")
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_what_is_no_tar_is_refused(
    service: Service, client: Client, tmp_path: Path, weights: bytes
) -> None:
    prepare(service, weights, Answer(200, b"x" * 3000))
    with pytest.raises(ServiceError, match="the archive is damaged"):
        client.jobs.download("job_1", tmp_path / "out", format="compact")


def test_without_numpy_the_extra_is_named_before_anything_is_downloaded(
    service: Service,
    client: Client,
    tmp_path: Path,
    weights: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "find_spec", lambda _: None)
    prepare(service, weights, Answer(200, b""))
    with pytest.raises(ServiceError, match=r"pip install 'zpruner\[files\]'"):
        client.jobs.download("job_1", tmp_path / "out", format="compact")
    assert ARCHIVE not in [path for _, path, _ in service.seen]
