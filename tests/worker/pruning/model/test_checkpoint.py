"""Reading a checkpoint; errors name the damaged tensor or file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, write_model
from worker.pruning.base.errors import CheckpointError
from worker.pruning.model.block_scales import BlockScales
from worker.pruning.model.checkpoint import Checkpoint


def _checkpoint(folder: Path, **tensors: torch.Tensor) -> Checkpoint:
    save_file(tensors, folder / "model.safetensors")
    return Checkpoint.open(folder)


def test_the_error_for_a_truncated_file_names_the_tensor(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path, weight=torch.ones(100))
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="ends inside tensor 'weight'"):
        checkpoint.read("weight")


def test_the_files_are_chosen_as_transformers_does(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    sharded = Checkpoint.open(tmp_path).tensors
    twice = {name: 2 * value for name, value in _read(tmp_path).items()}
    save_file(twice, tmp_path / "consolidated.safetensors")
    assert Checkpoint.open(tmp_path).tensors == sharded
    save_file(twice, tmp_path / "model.safetensors", {"format": "pt"})

    ours = _read(tmp_path)

    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(theirs[name], value) for name, value in ours.items())
    assert all(torch.equal(twice[name], value) for name, value in ours.items())


def test_the_error_for_a_tensor_in_two_files_names_both(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_file({"weight": torch.ones(2), name: torch.ones(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(CheckpointError, match=r"'weight' is in one\.saf.* and in two\.safetensors"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (torch.arange(64.0), True),
        (torch.arange(64.0).index_fill(0, torch.tensor([63]), 7), False),
        (torch.arange(64.0).view(8, 8), False),
        (torch.arange(64.0).view(torch.int32), False),
    ],
)
def test_the_same_tensor_has_the_same_bytes_dtype_and_shape(
    other: torch.Tensor, is_same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pruning.model.checkpoint._COMPARED_BYTES", 100)
    (tmp_path / "other").mkdir()
    one = _checkpoint(tmp_path, weight=torch.arange(64.0))
    assert one.stores_same(_checkpoint(tmp_path / "other", weight=other), "weight") is is_same


@pytest.mark.parametrize("place", [0, 3])
def test_8_bit_floats_with_another_scale_are_another_tensor(tmp_path: Path, place: int) -> None:
    values, blocks = torch.ones(4, 4).to(torch.float8_e4m3fn), BlockScales(2, 2, torch.bfloat16)
    scales = torch.ones(2, 2)
    one = _checkpoint(tmp_path, w=values, w_scale_inv=scales).scaled(blocks)
    assert one.stores_same(one, "w")
    scales.view(-1)[place] = 2
    (tmp_path / "other").mkdir()
    other = _checkpoint(tmp_path / "other", w=values, w_scale_inv=scales).scaled(blocks)
    assert not one.stores_same(other, "w")
    assert other.read("w").sum() == 20


def _read(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}
