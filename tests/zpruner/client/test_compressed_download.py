"""Downloads that are compressed by zstd, and expanded as they arrive."""

import asyncio
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.api.work import finish_job
from tests.zpruner.client.downloads import CONTENT, FILE, REFUSED, prepare, requested_ranges
from tests.zpruner.live import Live
from tests.zpruner.service import Answer, Service
from zpruner import AsyncClient, Client, CorruptedError, ServiceError
from zpruner.client import download
from zpruner.files.zstd import zstd

ZSTD = {"Content-Encoding": "zstd"}


def frame(content: bytes = CONTENT, **options: Any) -> Answer:
    """A compressed response to a request for the whole file."""
    return Answer(200, zstd.compress(content), headers=ZSTD, is_whole=True, **options)


async def download_async(live: Live, job_id: str, folder: Path) -> list[Path]:
    async with AsyncClient(live.url) as client:
        found = await client.jobs.get(job_id)
        return [*await found.download(folder, format="zstd")]


def test_the_same_files_are_written_as_by_a_plain_download(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PIECE_BYTES", 1 << 14)
    weights = random.Random(7).randbytes(150_001) + bytes(3 << 20)
    files = {"model/a.safetensors": weights, "model/empty.txt": b"", "report.json": b"{}"}
    made = finish_job(live.sessions, live.store, files)

    with Client(live.url) as client:
        plain = client.jobs.download(made.id, tmp_path / "plain")
        client.jobs.download(made.id, tmp_path / "blocking", format="zstd")
    asyncio.run(download_async(live, made.id, tmp_path / "async"))
    command = live.run("download", made.id, str(tmp_path / "cli"), "--format", "zstd")

    assert (command.exit_code, command.stderr) == (0, "")
    names = {path.relative_to(tmp_path / "plain") for path in plain}
    for folder in (tmp_path / name for name in ("blocking", "async", "cli")):
        written = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        assert written == names
        for name in names:
            assert (folder / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


@pytest.mark.parametrize(
    ("format", "parallel", "accepted"),
    [
        ("plain", 1, "identity"),
        ("zstd", 1, "zstd, identity;q=0"),
        ("zstd", 4, "zstd, identity;q=0"),
    ],
)
def test_only_what_was_asked_for_is_accepted(
    service: Service,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: Any,
    parallel: int,
    accepted: str,
) -> None:
    monkeypatch.setattr(download, "PIECE_BYTES", 1 << 14)  # ranges are never compressed
    prepare(service, frame() if format == "zstd" else Answer(200, CONTENT))
    (path,) = client.jobs.download("job_1", tmp_path, parallel=parallel, format=format)
    assert path.read_bytes() == CONTENT
    assert requested_ranges(service) == [(0, len(CONTENT))]
    assert service.codings[-1] == accepted


@pytest.mark.parametrize("parallel", [1, 4])
def test_an_interrupted_download_goes_on_with_what_is_missing_uncompressed(
    service: Service, client: Client, tmp_path: Path, parallel: int
) -> None:
    content = random.Random(3).randbytes(400_000)
    prepare(service, frame(content, cut=250_000), REFUSED, Answer(200, content), content=content)

    with pytest.raises(ServiceError, match="forbidden"):
        client.jobs.download("job_1", tmp_path, parallel=parallel, format="zstd")
    (path,) = client.jobs.download("job_1", tmp_path, parallel=parallel, format="zstd")

    assert path.read_bytes() == content
    assert 0 < requested_ranges(service)[-1][0] <= 250_000
    assert service.codings[-1] == "identity"
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["weights.bin"]


def test_a_service_that_does_not_compress_is_read_as_it_answers(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, Answer(200, CONTENT))
    (path,) = client.jobs.download("job_1", tmp_path, format="zstd")
    assert path.read_bytes() == CONTENT


def test_a_response_that_expands_to_more_than_the_file_is_read_no_further(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, frame(CONTENT + bytes(64 << 20)))
    tracemalloc.start()
    try:
        (path,) = client.jobs.download("job_1", tmp_path, format="zstd")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.read_bytes() == CONTENT
    assert peak < 8 << 20


def test_other_content_is_found_by_the_sha256(
    service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, frame(CONTENT[::-1]))
    with pytest.raises(CorruptedError):
        client.jobs.download("job_1", tmp_path, format="zstd")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            Answer(200, b"x" * 3000, headers=ZSTD),
            "weights.bin is not compressed by zstd.*try again",
        ),
        (
            Answer(200, b"x", headers={"Content-Encoding": "br"}),
            "compressed by 'br', which was not",
        ),
        (Answer(200, zstd.compress(CONTENT[:-1]), headers=ZSTD), "interrupted; try again"),
    ],
)
def test_a_response_that_cannot_be_expanded_is_refused(
    service: Service, client: Client, tmp_path: Path, answer: Answer, reason: str
) -> None:
    prepare(service, answer)
    with pytest.raises(ServiceError, match=reason):
        client.jobs.download("job_1", tmp_path, format="zstd")
    assert not (tmp_path / "model" / "weights.bin").exists()


def test_the_format_of_0_2_is_refused_with_those_there_are(
    live: Live, service: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, Answer(200, CONTENT))
    old: Any = "compact"
    with pytest.raises(ValueError, match="no format 'compact': use one of plain, zstd"):
        client.jobs.download("job_1", tmp_path, format=old)
    assert FILE not in [path for _, path, _ in service.seen]
    result = live.run("download", "job_1", str(tmp_path), "--format", "compact")
    assert result.exit_code == 2
    assert "zstd" in result.stderr
