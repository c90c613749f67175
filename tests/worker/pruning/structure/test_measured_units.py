"""How many channels and heads a ratio removes together, and which models are refused."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from tests.models import write_model
from tests.worker.pruning.structure.removals import CONFIGS, WITHOUT_FIELD, WITHOUT_MLP
from worker.pruning.base.errors import RatioError, UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp
from worker.pruning.structure.neurons import Neurons


def open_model(folder: Path, family: str) -> MetaModel:
    write_model(folder / "dense", CONFIGS[family])
    return MetaModel.open(folder / "dense", torch.float32, torch.device("cpu"))


def in_blocks(meta_model: MetaModel) -> int:
    return sum(parameter.numel() for parameter in meta_model.blocks.parameters())


def removed_of(meta_model: MetaModel, kept: Mapping[str, int]) -> dict[str, int]:
    """Return how many units the first block loses, by their name."""
    units = MeasuredUnits(0.3, Adapt()).units(meta_model.blocks[0], meta_model.config)
    return {one.name: one.count - kept[one.name] for one in units}


def test_heads_and_channels_are_removed_together(tmp_path: Path) -> None:
    meta_model = open_model(tmp_path, "llama")
    reduction = MeasuredUnits(0.3, Adapt()).reduction(meta_model)
    lost = {"self_attn.o_proj": 1, "mlp.down_proj": 8}
    assert [removed_of(meta_model, kept) for kept in reduction.kept] == [lost] * 3
    assert reduction.fields == {
        "intermediate_size": 40,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    assert reduction.parameters_removed == 3 * (1536 + 8 * 96)


@pytest.mark.parametrize("ratio", [0.1, 0.2, 0.3, 0.45, 0.6])
def test_the_share_of_removed_parameters_is_the_ratio_to_half_a_step_of_eight_channels(
    tmp_path: Path, ratio: float
) -> None:
    meta_model = open_model(tmp_path, "llama")
    removed = MeasuredUnits(ratio, Pgp()).reduction(meta_model).parameters_removed
    assert abs(removed - ratio * in_blocks(meta_model)) <= 3 * 8 * 96 / 2


@pytest.mark.parametrize("family", ["opt-projected", "gpt2", "deepseek-v3-latent"])
def test_channels_alone_are_removed_where_no_head_can_be(tmp_path: Path, family: str) -> None:
    meta_model = open_model(tmp_path, family)
    together = MeasuredUnits(0.2, Adapt()).reduction(meta_model)
    alone = Neurons(0.2).reduction(meta_model)
    assert together.fields == alone.fields
    assert together.parameters_removed == alone.parameters_removed


@pytest.mark.parametrize(
    ("uniform", "ratio"), [(True, 0.001), (True, 0.99), (False, 0.0001), (False, 0.99)]
)
def test_a_ratio_that_no_number_of_units_meets_is_refused_with_one_that_is_met(
    tmp_path: Path, ratio: float, uniform: bool
) -> None:
    meta_model = open_model(tmp_path, "llama")
    with pytest.raises(RatioError, match=f"ratio of {ratio:g} .*; set ratio to ") as caught:
        MeasuredUnits(ratio, Adapt(), uniform).reduction(meta_model)
    nearest = float(f"{caught.value.nearest:.4g}")
    met = MeasuredUnits(nearest, Adapt(), uniform).reduction(meta_model)
    lost = met.parameters_removed / in_blocks(meta_model)
    assert lost == pytest.approx(nearest if uniform else 0.0, abs=1e-4)


def test_a_model_that_keeps_its_shapes_loses_no_parameter(tmp_path: Path) -> None:
    meta_model = open_model(tmp_path, "llama")
    reduction = MeasuredUnits(0.3, Adapt(), uniform=False).reduction(meta_model)
    assert (dict(reduction.fields), reduction.parameters_removed) == ({}, 0)
    assert reduction.kept == ({"self_attn.o_proj": 2, "mlp.down_proj": 48},) * 3


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("family", sorted(WITHOUT_MLP))
def test_a_model_without_mlp_is_refused(tmp_path: Path, family: str, uniform: bool) -> None:
    with pytest.raises(UnsupportedModelError, match="has no MLP whose channels could be removed;"):
        MeasuredUnits(0.2, Adapt(), uniform).reduction(open_model(tmp_path, family))


@pytest.mark.parametrize("family", sorted(WITHOUT_FIELD))
def test_a_model_whose_config_has_no_width_keeps_its_shapes_or_is_refused(
    tmp_path: Path, family: str
) -> None:
    meta_model = open_model(tmp_path, family)
    with pytest.raises(UnsupportedModelError, match="has no field for the width"):
        MeasuredUnits(0.2, Adapt()).reduction(meta_model)
    assert MeasuredUnits(0.2, Adapt(), uniform=False).reduction(meta_model).fields == {}
