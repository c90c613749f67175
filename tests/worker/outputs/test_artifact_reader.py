from hashlib import sha256
from pathlib import Path

import pytest

from db.core.errors import ArtifactDamagedError
from db.tables.artifacts import Artifact
from worker.outputs.artifact_reader import ArtifactReader

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (path := tmp_path / "weights.bin").write_bytes(CONTENT)
    return path


def reader(path: Path, positions: list[int] | None = None) -> ArtifactReader:
    digest = sha256(CONTENT).hexdigest()
    artifact = Artifact(id="art_1", name="weights.bin", size_bytes=len(CONTENT), sha256=digest)
    positions = [] if positions is None else positions
    return ArtifactReader(path.open("rb"), artifact, positions.append)


def test_a_file_is_read_as_any_file_and_its_positions_are_reported(path: Path) -> None:
    positions: list[int] = []
    with reader(path, positions) as file:
        assert file.read(10) == CONTENT[:10]
        assert (file.seek(5), file.read(10), file.tell()) == (5, CONTENT[5:15], 15)
        assert file.read() == CONTENT[15:]
        assert file.read(10) == b""
    assert positions == [10, 15, len(CONTENT), len(CONTENT)]


def test_a_part_that_is_read_again_is_hashed_once(path: Path) -> None:
    with reader(path) as file:
        for start in (0, 100, 50, 0):
            file.seek(start)
            file.read(100)
        file.seek(150)
        assert file.read() == CONTENT[150:]
    assert file.failure is None


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"?", CONTENT[:-1], CONTENT + b"?", b""])
def test_another_content_is_noticed_at_the_latest_at_the_end(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with reader(path) as file, pytest.raises(ArtifactDamagedError) as caught:
        list(iter(lambda: file.read(1000), b""))
    assert file.failure is caught.value
