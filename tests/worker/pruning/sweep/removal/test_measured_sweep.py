"""Whole sweeps that remove the units which measurements of the model choose."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.pruning.structure.removals import removed, removing
from tests.worker.pruning.sweeps import sweep, tensors
from worker.pruning.base.errors import RatioError
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Measure, Pgp
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult

ADAPT = Adapt(steps=3, windows=8, tokens=16)
PGP = Pgp(steps=3, windows=4, tokens=16, scored=8)
MEASURES = [ADAPT, PGP]
CALIBRATION = random_ids(24, 16, seed=1)
HEAD, CHANNEL, BLOCKS = 1536, 96, 23_232
"""Parameters of a unit of each kind, and of all blocks, in the small Llama."""


def recipe_of(measure: Measure, *, uniform: bool, repairs: bool = False) -> Recipe:
    return removing(MeasuredUnits(0.3, measure, uniform, repairs))


def lost(block: BlockResult) -> dict[str, torch.Tensor]:
    """Return the indices of the removed units, by their name."""
    return {
        units.name: torch.cat([torch.arange(start, end) for start, end in units.ranges])
        for units in block.removed
    }


@pytest.mark.parametrize("measure", MEASURES)
def test_all_blocks_lose_as_many_heads_and_channels(tmp_path: Path, measure: Measure) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    blocks, _ = sweep(dense, tmp_path / "out", recipe_of(measure, uniform=True), CALIBRATION)
    for block in blocks:
        counts = {units.name: units.count for units in block.removed}
        assert counts == {"self_attn.o_proj": 1, "mlp.down_proj": 8}
        assert block.parameters_removed == HEAD + 8 * CHANNEL
        assert block.zeros == 0


@pytest.mark.parametrize("measure", MEASURES)
def test_units_in_place_are_zero_and_all_other_weights_keep_their_bits(
    tmp_path: Path, measure: Measure
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    blocks, _ = sweep(dense, tmp_path / "out", recipe_of(measure, uniform=False), CALIBRATION)
    before, after = tensors(dense), tensors(tmp_path / "out")
    gone, zeros = 0, 0
    for block in blocks:
        units = lost(block)
        heads = units.get("self_attn.o_proj", torch.arange(0))
        channels = units.get("mlp.down_proj", torch.arange(0))
        gone += HEAD * len(heads) + CHANNEL * len(channels)
        queries = (16 * heads[:, None] + torch.arange(16)).flatten()
        keys = (8 * heads[:, None] + torch.arange(8)).flatten()
        for name, dim, places in (
            ("self_attn.q_proj", 0, queries),
            ("self_attn.k_proj", 0, keys),
            ("self_attn.v_proj", 0, keys),
            ("self_attn.o_proj", 1, queries),
            ("mlp.gate_proj", 0, channels),
            ("mlp.up_proj", 0, channels),
            ("mlp.down_proj", 1, channels),
        ):
            key = f"{block.name}.{name}.weight"
            assert torch.equal(after.pop(key), before[key].index_fill(dim, places, 0)), key
        assert (block.parameters_removed, block.parameters) == (0, BLOCKS // 3)
        assert BlockResult.from_json(block.as_json()) == block
        zeros += block.zeros
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert abs(gone - 0.3 * BLOCKS) <= HEAD / 2
    assert zeros == gone
    assert len({tuple(units.count for units in block.removed) for block in blocks}) > 1


def test_a_repair_lowers_the_error_of_units_that_measurements_chose(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    errors = []
    for repairs in (False, True):
        recipe = recipe_of(ADAPT, uniform=True, repairs=repairs)
        blocks, _ = sweep(dense, tmp_path / f"{repairs}", recipe, CALIBRATION)
        errors.append(blocks[-1].output_error or 0.0)
    assert 0 < errors[1] < errors[0]


def test_refinement_keeps_units_in_place_zero(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = recipe_of(ADAPT, uniform=False)
    plain, _ = sweep(dense, tmp_path / "plain", recipe, CALIBRATION)
    trained = replace(
        recipe, stages=(Refining(Refinement(steps=4, learning_rate=2e-3, tokens=16 * 16)),)
    )
    refined, _ = sweep(dense, tmp_path / "refined", trained, CALIBRATION)
    assert [block.removed for block in refined] == [block.removed for block in plain]
    assert [block.zeros for block in refined] == [block.zeros for block in plain]


@pytest.mark.parametrize("measure", MEASURES)
def test_experts_lose_as_many_channels_each(tmp_path: Path, measure: Measure) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES["gpt-oss-interleaved"])
    found = removed(dense, tmp_path, recipe_of(measure, uniform=True), CALIBRATION)
    counts = {units.count for block in found.blocks for units in block.removed if units.is_routed}
    assert len(counts) == 1


def test_the_importance_of_units_is_measured_once_for_several_ratios(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    for ratio in (0.3, 0.2):
        recipe = removing(MeasuredUnits(ratio, ADAPT))
        sweep(dense, tmp_path / f"{ratio}", recipe, CALIBRATION, measurements=tmp_path / "known")
    (file,) = (tmp_path / "known").iterdir()
    assert '"mlp.down_proj"' in file.read_text()


@pytest.mark.parametrize("uniform", [True, False])
def test_a_ratio_that_no_number_of_units_meets_is_refused_before_any_work(
    tmp_path: Path, uniform: bool
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    with pytest.raises(RatioError, match=r"ratio of 0\.9 removes all units of a module"):
        sweep(dense, tmp_path / "out", removing(MeasuredUnits(0.9, PGP, uniform)))
    assert not list((tmp_path / "out").iterdir())
