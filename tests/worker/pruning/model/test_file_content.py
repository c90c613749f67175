"""The content of a written file is had from memory, byte for byte."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file

from worker.pruning.model.file_content import FileContent

TENSORS = {
    "b": torch.arange(12, dtype=torch.float64).view(3, 4),
    "a.bias": torch.tensor([1.5, -0.0, 2.5], dtype=torch.bfloat16),
    "empty": torch.empty(0, 3),
    "flags": torch.tensor([True, False, True]),
    "shape": torch.tensor([3, 4]),
    "scalar": torch.tensor(7, dtype=torch.int8),
    "z.empty": torch.empty(2, 0, dtype=torch.int8),
}


def written(folder: Path) -> tuple[Path, FileContent]:
    path = folder / "model.safetensors"
    save_file(TENSORS, path, {"format": "pt"})
    return path, FileContent(path, TENSORS)


def test_it_has_the_bytes_and_the_sha256_of_the_file(tmp_path: Path) -> None:
    path, content = written(tmp_path)
    assert content.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with content.open() as file:
        assert file.read() == path.read_bytes()
        assert Path(file.name).name == path.name


def test_it_is_read_from_any_place_as_the_file_is(tmp_path: Path) -> None:
    path, content = written(tmp_path)
    size = path.stat().st_size
    with path.open("rb") as file, content.open() as copy:
        assert copy.seek(0, 2) == size
        for at in range(size + 2):
            for count in (0, 1, 7, size):
                assert copy.seek(at) == file.seek(at)
                assert copy.read(count) == file.read(count)


def test_a_damaged_file_is_not_what_was_to_be_written(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    assert FileContent(path, TENSORS).sha256 != hashlib.sha256(damaged).hexdigest()
