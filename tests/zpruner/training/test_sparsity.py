from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.zpruner.training.sparse_models import sparse_model
from zpruner.training import (
    ComparisonError,
    LostSparsity,
    MaskError,
    NotSparseError,
    compare_sparsity,
    zero_masks,
)
from zpruner.training.sparsity import Tensors

NAMES = ["model.layers.0.self_attn.k_proj.weight", "model.layers.2.mlp.down_proj.weight"]
HALF = torch.tensor([[0.0, 1.0], [2.0, -0.0]])


def state() -> dict[str, Tensor]:
    return {name: one.clone() for name, one in sparse_model().state_dict().items()}


@pytest.fixture(params=["module", "state dict", "masks", "folder", "sharded folder"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Tensors:
    pretrained = sparse_model()
    model: nn.Module = pretrained
    match request.param:
        case "module":
            return model
        case "state dict":
            return model.state_dict()
        case "masks":
            return zero_masks(model)
        case "folder":
            pretrained.save_pretrained(tmp_path)
        case "sharded folder":
            pretrained.save_pretrained(tmp_path, max_shard_size="10KB")
            assert len(list(tmp_path.glob("*.safetensors"))) > 3
    return str(tmp_path)


def test_exactly_the_tensors_that_lost_zeros_are_named(before: Tensors) -> None:
    after = state()
    for name, lost in zip(NAMES, (1, 3), strict=True):
        flat = after[name].view(-1)
        flat[(flat == 0).nonzero()[:lost, 0]] = 1e-3
    after["model.norm.weight"][:] = 2
    found = compare_sparsity(before, after)
    assert [(one.name, one.lost) for one in found] == [(NAMES[0], 1), (NAMES[1], 3)]
    assert found[0].before == 0.5
    assert found[0].after == pytest.approx(0.5 - 1 / after[NAMES[0]].numel())


def test_a_model_that_kept_its_zeros_is_not_named(before: Tensors) -> None:
    after = {name: one.to(torch.bfloat16) * 3 for name, one in state().items()}
    assert compare_sparsity(before, after) == []


def test_zeros_are_compared_place_by_place() -> None:
    moved = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    assert compare_sparsity({"w": HALF}, {"w": moved}) == [LostSparsity("w", 0.5, 0.5, 1)]


def test_a_matrix_that_was_zero_as_a_whole_is_compared() -> None:
    found = compare_sparsity({"w": torch.zeros(2, 2)}, {"w": HALF})
    assert found == [LostSparsity("w", 1.0, 0.5, 2)]


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ({"v": HALF}, "after has no tensor 'w'"),
        ({"w": HALF[:1]}, r"'w' has the shape \(2, 2\) before and \(1, 2\) after"),
        ({"w": HALF}, "'w' is the same memory before and after"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(after: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ComparisonError, match=message):
        compare_sparsity({"w": HALF, "bias": torch.zeros(4)}, after)


def test_a_model_without_zeros_is_refused() -> None:
    with pytest.raises(NotSparseError, match=r"a share of zeros of 0\.6 or more"):
        compare_sparsity({"w": HALF}, {"w": HALF.clone()}, 0.6)


def test_a_model_without_a_single_zero_is_refused() -> None:
    with pytest.raises(NotSparseError, match="no matrix of before has a zero"):
        compare_sparsity({"w": torch.ones(2, 2)}, {"w": torch.ones(2, 2)})


def test_a_threshold_out_of_its_bounds_is_refused() -> None:
    with pytest.raises(MaskError, match="min_sparsity is 0"):
        compare_sparsity({"w": HALF}, {"w": HALF.clone()}, 0)


def test_files_without_an_index_are_read_together(tmp_path: Path) -> None:
    save_file({"v": HALF}, tmp_path / "a.safetensors")
    save_file({"w": HALF}, tmp_path / "b.safetensors")
    found = compare_sparsity(tmp_path, {"v": HALF.clone(), "w": torch.ones(2, 2)})
    assert found == [LostSparsity("w", 0.5, 0.0, 2)]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match=f"{tmp_path} contains no safetensors file"):
        compare_sparsity({"w": HALF}, tmp_path)
