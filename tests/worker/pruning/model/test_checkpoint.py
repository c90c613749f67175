"""Reading a checkpoint, and what is wrong with it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, write_model
from worker.pruning.base.errors import CheckpointError
from worker.pruning.model.checkpoint import Checkpoint


def _checkpoint(folder: Path, **tensors: torch.Tensor) -> Checkpoint:
    save_file(tensors, folder / "model.safetensors")
    return Checkpoint.open(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 70, 99])
def test_a_number_that_is_not_finite_is_found_in_any_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, wrong: float, place: int
) -> None:
    monkeypatch.setattr("worker.pruning.model.checkpoint._PIECE_BYTES", 64)
    spoilt = torch.ones(10, 10, dtype=dtype)
    spoilt.view(-1)[place] = wrong
    checkpoint = _checkpoint(tmp_path, good=torch.ones(4), norm=spoilt)
    with pytest.raises(
        CheckpointError, match="'norm' contains NaN or infinity; provide an undamaged"
    ):
        checkpoint.check_finite()


def test_a_sound_checkpoint_passes_whatever_else_it_holds(tmp_path: Path) -> None:
    largest = torch.tensor([torch.finfo(torch.float32).max, -1.0])
    _checkpoint(
        tmp_path,
        largest=largest,
        empty=torch.empty(0, 3),
        ids=torch.arange(3),
        flags=torch.tensor([True]),
    ).check_finite()


def test_a_file_that_ends_inside_a_tensor_is_refused_with_its_name(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path, weight=torch.ones(100))
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="ends inside tensor 'weight'"):
        checkpoint.check_finite()


def test_the_weights_are_those_that_transformers_would_read(tmp_path: Path) -> None:
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


def test_a_tensor_that_two_files_hold_is_refused_with_their_names(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_file({"weight": torch.ones(2), name: torch.ones(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(CheckpointError, match=r"'weight' is in one\.saf.* and in two\.safetensors"):
        Checkpoint.open(tmp_path)


def _read(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}
