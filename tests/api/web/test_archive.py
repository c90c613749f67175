"""The compact archive of large files takes little memory."""

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

from api.web.archive import CompactArchive
from db.tables.artifacts import Artifact
from tests.zpruner.files.safetensors_files import framed

SIZE = 64 << 20
PEAK_BYTES = 6 << 20


def large_file(path: Path) -> Artifact:
    """Write a file of 64 MB, most of it zeros without blocks on the disk."""
    entry = {"dtype": "BF16", "shape": [SIZE // 2], "data_offsets": [0, SIZE]}
    header = framed({path.stem: entry})
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + SIZE)
        file.seek(SIZE // 2)
        file.write(b"x" * (4 << 20))
    return Artifact(
        job_id="job_1",
        name=path.name,
        size_bytes=path.stat().st_size,
        sha256="0" * 64,
        created_at=datetime.now(UTC),
    )


def test_a_compact_archive_of_large_files_takes_little_memory(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in "ab"]
    archive = CompactArchive({large_file(path): path for path in paths})
    tracemalloc.start()
    try:
        sent = sum(map(len, archive))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent > 2 * (SIZE // 16 + (4 << 20))
    assert peak < PEAK_BYTES
