"""How many channels a ratio removes, and which ratios and models are refused."""

from pathlib import Path

import pytest
import torch

from tests.models import write_model
from tests.worker.pruning.structure.removals import CONFIGS, WITHOUT_FIELD, WITHOUT_MLP
from worker.pruning.base.errors import RatioError, UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.reduction import Reduction


def open_model(folder: Path, family: str) -> MetaModel:
    write_model(folder / "dense", CONFIGS[family])
    return MetaModel.open(folder / "dense", torch.float32, torch.device("cpu"))


def in_blocks(meta_model: MetaModel) -> int:
    return sum(parameter.numel() for parameter in meta_model.blocks.parameters())


def of_eight_channels(meta_model: MetaModel, reduction: Reduction) -> float:
    """Return the share of the blocks' parameters in eight channels of every MLP."""
    before = sum(
        units.count for block in meta_model.blocks
        for units in Neurons(0.5).units(block, meta_model.config)
    )  # fmt: skip
    after = sum(count for block in reduction.kept for count in block.values())
    widths = sum(len(block) for block in reduction.kept)
    per_channel = reduction.parameters_removed / (before - after)
    return 8 * widths * per_channel / in_blocks(meta_model)


@pytest.mark.parametrize(
    ("family", "ratio"),
    [("llama", 0.1), ("gpt2", 0.2), ("opt-projected", 0.3), ("phi3", 0.2), ("mixtral", 0.3)],
)
def test_the_share_of_removed_parameters_is_the_ratio_to_one_step_of_eight_channels(
    tmp_path: Path, family: str, ratio: float
) -> None:
    meta_model = open_model(tmp_path, family)
    reduction = Neurons(ratio).reduction(meta_model)
    share = reduction.parameters_removed / in_blocks(meta_model)
    assert abs(share - ratio) <= of_eight_channels(meta_model, reduction) / 2 + 1e-9
    assert all(count % 8 == 0 for block in reduction.kept for count in block.values())


@pytest.mark.parametrize("family", sorted(CONFIGS.keys() - WITHOUT_FIELD - WITHOUT_MLP))
def test_all_blocks_have_the_widths_that_the_config_can_say(tmp_path: Path, family: str) -> None:
    meta_model = open_model(tmp_path, family)
    reduction = Neurons(0.2).reduction(meta_model)
    assert reduction.fields
    assert all(count > 0 for block in reduction.kept for count in block.values())


@pytest.mark.parametrize("ratio", [0.001, 0.99])
def test_a_ratio_that_no_number_of_channels_meets_is_refused_with_one_that_is_met(
    tmp_path: Path, ratio: float
) -> None:
    meta_model = open_model(tmp_path, "llama")
    with pytest.raises(RatioError, match=f"ratio of {ratio:g} .*; set ratio to ") as caught:
        Neurons(ratio).reduction(meta_model)
    nearest = float(str(caught.value).rpartition("to ")[2].partition(",")[0])
    reduction = Neurons(nearest).reduction(meta_model)
    assert reduction.parameters_removed / in_blocks(meta_model) == pytest.approx(nearest, abs=1e-4)


@pytest.mark.parametrize("family", sorted(WITHOUT_MLP))
def test_a_model_without_mlp_is_refused(tmp_path: Path, family: str) -> None:
    with pytest.raises(UnsupportedModelError, match="has no MLP whose channels could be removed;"):
        Neurons(0.2).reduction(open_model(tmp_path, family))
