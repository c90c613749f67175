"""One pass finds a file's SHA-256 and its numbers that are not finite."""

import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.worker.counted_reads import CountedReads
from worker.pruning.base.errors import CheckpointError
from worker.pruning.base.file_digests import file_digest
from worker.pruning.model.block_scales import BlockScales
from worker.pruning.model.checkpoint import WHOLE, Checkpoint
from worker.pruning.model.scanned_file import check_finite, scanned


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.pruning.model.scanned_file._PIECE_BYTES", 64)


def write(folder: Path, **tensors: torch.Tensor) -> Path:
    save_file(tensors, folder / WHOLE)
    return folder / WHOLE


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 70, 99])
def test_nan_and_infinity_are_found_in_any_piece(
    tmp_path: Path, dtype: torch.dtype, wrong: float, place: int
) -> None:
    damaged = torch.ones(10, 10, dtype=dtype)
    damaged.view(-1)[place] = wrong
    path = write(tmp_path, good=torch.ones(4), norm=damaged)
    with pytest.raises(
        CheckpointError, match="'norm' contains NaN or infinity; provide an undamaged"
    ):
        check_finite(Checkpoint.open(tmp_path))
    assert scanned(path).sha256 == sha256(path)


@pytest.mark.parametrize("place", [0, 70, 99])
def test_nan_is_found_in_8_bit_floats_and_in_their_scales(tmp_path: Path, place: int) -> None:
    blocks = BlockScales(5, 5, torch.float32)
    values = torch.full((10, 10), -448.0).to(torch.float8_e4m3fn)
    scales = {"m_scale_inv": torch.ones(2, 2)}
    write(tmp_path, m=values, **scales)
    check_finite(Checkpoint.open(tmp_path).scaled(blocks))
    scales["m_scale_inv"][1, 1] = torch.inf
    write(tmp_path, m=values, **scales)
    with pytest.raises(CheckpointError, match="'m_scale_inv' contains NaN"):
        check_finite(Checkpoint.open(tmp_path).scaled(blocks))
    values.view(torch.uint8).view(-1)[place] = 0x7F + 0x80 * (place % 2)
    write(tmp_path, m=values, **scales)
    with pytest.raises(CheckpointError, match="'m' contains NaN"):
        check_finite(Checkpoint.open(tmp_path).scaled(blocks))


def test_a_finite_checkpoint_passes_with_any_dtype_and_shape(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        largest=torch.tensor([torch.finfo(torch.float32).max, -1.0]),
        empty=torch.empty(0, 3),
        ids=torch.arange(30),
        flags=torch.tensor([True]),
        nan_as_an_integer=torch.tensor([float("nan")]).view(torch.int32),
    )
    check_finite(Checkpoint.open(tmp_path))
    assert scanned(path).sha256 == sha256(path)


def test_the_error_for_a_truncated_file_names_the_tensor(tmp_path: Path) -> None:
    path = write(tmp_path, weight=torch.ones(100))
    checkpoint = Checkpoint.open(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="ends inside tensor 'weight'"):
        check_finite(checkpoint)
    assert scanned(path).sha256 == sha256(path)


@pytest.mark.parametrize(
    ("offsets", "fault"),
    [((100, 108), None), ((0, 8), "'b' shares bytes with another one in its file")],
)
def test_a_file_with_a_gap_is_read_whole_and_one_with_an_overlap_is_refused(
    tmp_path: Path, offsets: tuple[int, int], fault: str | None
) -> None:
    entries = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": list(offsets)},
    }
    header = json.dumps(entries).encode()
    path = tmp_path / WHOLE
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(120))
    assert scanned(path).sha256 == sha256(path)
    found = [reason for reason, _ in scanned(path).faults.values()]
    assert found == ([] if fault is None else [f"tensor {fault}"])


def test_a_file_without_a_readable_header_has_a_digest(tmp_path: Path) -> None:
    path = tmp_path / WHOLE
    path.write_bytes(struct.pack("<Q", 8) + b"not JSON" + bytes(300))
    assert scanned(path) == (sha256(path), {})


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, weight=torch.ones(100))
    reads = CountedReads.begin(monkeypatch)
    digest = scanned(path).sha256
    check_finite(Checkpoint.open(tmp_path))
    assert file_digest(path) == digest
    assert reads.of_tensors(tmp_path) == {"weight": 1}
    write(tmp_path, weight=torch.full((100,), torch.inf))
    with pytest.raises(CheckpointError, match="'weight' contains NaN"):
        check_finite(Checkpoint.open(tmp_path))
    assert file_digest(path) == sha256(path) != digest
