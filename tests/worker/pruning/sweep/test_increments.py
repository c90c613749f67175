"""Sweeps that continue an earlier one: what was removed stays removed, and the rest adds up."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models import FAMILIES, MIXTURES, write_model
from tests.worker.pruning.sweep.increments import TOTAL, gone, gradually, increment
from tests.worker.pruning.sweeps import tensors
from worker.jobs.recipes import recipe_at
from worker.pruning.base.errors import IncrementsError, SparsityError
from worker.pruning.base.generators import run_to_end
from worker.pruning.base.increments import Increment
from worker.pruning.methods.allocation import OwlAllocation
from worker.pruning.methods.patterns import Scope, Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.methods.swaps import Swaps
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.removal import Removal
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult

WANDA = Recipe(get_scorer("wanda"), Unstructured(0.6, "row"))
REFINEMENT = Refinement(steps=6, learning_rate=2e-3, tokens=32 * 16)
REFINED = replace(WANDA, stages=(Refining(REFINEMENT),))
NONE = Recipe(None, Unstructured(0.0))
RECIPES = {
    "zpruner": Recipe(get_scorer("zpruner"), Unstructured(0.6)),
    "dsnot": replace(WANDA, swaps=Swaps()),
    "sparsegpt": Recipe(None, Unstructured(0.6), solver=get_solver("sparsegpt"), correction=0.3),
    "admm": Recipe(None, Unstructured(0.6), solver=get_solver("admm")),
    "alps": Recipe(None, Unstructured(0.6), solver=get_solver("alps")),
    "exact": Recipe(None, Unstructured(0.6), solver=get_solver("exact")),
    "repaired and refined": replace(REFINED, solver=get_solver("sparsegpt"), correction=0.3),
    "owl": replace(WANDA, allocation=OwlAllocation()),
}


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "dense", FAMILIES["llama"])


def matrices(folder: Path) -> dict[str, Tensor]:
    """Return the matrices of the blocks."""
    return {
        name: value
        for name, value in tensors(folder).items()
        if ".layers." in name and value.ndim > 1
    }


@pytest.mark.parametrize("name", RECIPES)
def test_zeros_stay_zero_and_the_last_increment_has_the_requested_number(
    dense: Path, tmp_path: Path, name: str
) -> None:
    made = gradually(dense, tmp_path, RECIPES[name])
    each = [matrices(tmp_path / str(number)) for number in range(1, TOTAL + 1)]
    for matrix, first in each[0].items():
        second, last = each[1][matrix] == 0, each[2][matrix] == 0
        assert bool(second[first == 0].all()), matrix
        assert bool(last[second].all()), matrix
    sparsities = [
        sum(block.zeros for block in reports) / sum(block.weights for block in reports)
        for reports, _ in made
    ]
    rounding = 0.03 if RECIPES[name].pattern == WANDA.pattern else 1e-3
    assert sparsities == pytest.approx([0.2, 0.4, 0.6], abs=rounding)
    losses = [result.dense_losses for _, result in made]
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize("family", ["gpt2-conv1d", "gpt-oss-interleaved"])
def test_fused_matrices_and_experts_hold_their_zeros(tmp_path: Path, family: str) -> None:
    model = write_model(tmp_path / "dense", {**FAMILIES, **MIXTURES}[family])
    recipe = Recipe(None, Unstructured(0.5), solver=get_solver("sparsegpt"), correction=0.3)
    made = gradually(model, tmp_path, recipe, total=2)
    first, last = (tensors(tmp_path / name) for name in "12")
    assert all(bool((last[name][one == 0] == 0).all()) for name, one in first.items())
    reports, _ = made[-1]
    zeros, weights = (sum(getattr(one, name) for one in reports) for name in ("zeros", "weights"))
    assert zeros / weights == pytest.approx(0.5, abs=0.01)


ADAPT = Adapt(steps=4, windows=8, tokens=16)
PGP = Pgp(steps=4, windows=2, tokens=16, scored=8)


@pytest.mark.parametrize(
    "removal",
    [
        Neurons(0.3),
        Heads(0.15),
        Depth(2 / 3),
        MeasuredUnits(0.4, ADAPT),
        MeasuredUnits(0.4, PGP),
        MeasuredUnits(0.4, ADAPT, uniform=False),
        MeasuredUnits(0.4, PGP, uniform=False),
    ],
)
def test_removed_units_and_blocks_stay_removed(
    dense: Path, tmp_path: Path, removal: Removal
) -> None:
    total = 1 if isinstance(removal, Heads) else 2  # two heads of keys: one can go
    made = gradually(dense, tmp_path, replace(NONE, removal=removal), total)
    at_once = tmp_path / "at once"
    run_to_end(increment(dense, at_once, replace(NONE, removal=removal), None, None).run())
    removed = [[gone(block) for block in reports] for reports, _ in made]
    for before, after in pairwise(removed):
        assert all(one <= other for one, other in zip(before, after, strict=True))
        assert sum(map(len, before)) < sum(map(len, after))
    if replace(NONE, removal=removal).is_cut:
        parameters = [sum(block.parameters_removed for block in reports) for reports, _ in made]
        assert parameters == sorted(set(parameters))
    zeros = sum(int((value == 0).sum()) for value in tensors(tmp_path / str(total)).values())
    assert zeros == sum(int((value == 0).sum()) for value in tensors(at_once).values())


def test_the_steps_of_a_refinement_are_divided_and_its_windows_go_on() -> None:
    parts = [recipe_at(REFINED, Increment(number, 4)).stages for number in range(1, 5)]
    divided = [(0, 1), (1, 2), (3, 1), (4, 2)]
    assert parts == [
        (Refining(replace(REFINEMENT, first_step=first, steps=steps)),) for first, steps in divided
    ]


def test_a_refinement_aims_at_the_dense_block(dense: Path, tmp_path: Path) -> None:
    nearly = replace(WANDA, pattern=Unstructured(0.59, "row"))
    ((_, start),) = gradually(dense, tmp_path, nearly, total=1)
    at_once = first_loss(increment(dense, tmp_path / "at once", REFINED, None, None))
    own = recipe_at(REFINED, Increment(2, 2))
    continued = increment(dense, tmp_path / "2", own, tmp_path / "1", start.dense_losses)
    assert first_loss(continued) == pytest.approx(at_once, rel=0.1)


def first_loss(sweep: ModelPruner) -> float:
    """Return the loss of the first block, relative to its targets, before it is refined."""
    with closing(sweep.run()) as blocks:
        refinement = next(blocks).refinement
    assert refinement is not None
    return refinement.held_out_before


@pytest.mark.parametrize("name", ["repaired and refined", "owl"])
def test_an_interrupted_increment_ends_with_the_same_bytes(
    dense: Path, tmp_path: Path, name: str
) -> None:
    made = gradually(dense, tmp_path, RECIPES[name], total=2)
    own, known = recipe_at(RECIPES[name], Increment(2, 2)), made[0][1].dense_losses
    for after in (0, 2):
        again = tmp_path / f"again after {after}"
        stop_after(increment(dense, again, own, tmp_path / "1", known).run(), after)
        resumed = increment(dense, again, own, tmp_path / "1", known)
        assert resumed.resumed_from_block == after + 1
        result = run_to_end(resumed.run())
        assert result.pruned_losses == made[1][1].pruned_losses
        assert shards(again) == shards(tmp_path / "2")


def stop_after(blocks: Generator[BlockResult, None, Any], index: int) -> None:
    with closing(blocks):
        assert any(block.index == index for block in blocks)


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def test_an_increment_is_not_resumed_from_another_start(dense: Path, tmp_path: Path) -> None:
    made = gradually(dense, tmp_path, WANDA, total=2)
    own, known = recipe_at(WANDA, Increment(2, 2)), made[0][1].dense_losses
    assert increment(dense, tmp_path / "2", own, tmp_path / "1", known).resumed_from_block == 3
    assert increment(dense, tmp_path / "2", own, dense, known).resumed_from_block is None


@pytest.mark.parametrize(
    ("recipe", "most"),
    [
        (replace(WANDA, pattern=Unstructured(0.1, "row")), 5),  # rows of 48 weights
        (replace(NONE, removal=Neurons(0.3)), 3),  # 24 of 48 channels, in eights
        (replace(NONE, removal=Depth(2 / 3)), 2),
    ],
)
def test_more_increments_than_things_to_remove_are_refused(
    dense: Path, recipe: Recipe, most: int
) -> None:
    model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    check_recipe(recipe_at(recipe, Increment(most, most)), model)
    with pytest.raises(IncrementsError, match=f"set steps to {most} or less"):
        check_recipe(recipe_at(recipe, Increment(most + 1, most + 1)), model)


@pytest.mark.parametrize(("scope", "size"), [("row", 48), ("matrix", 1536)])
def test_a_sparsity_that_drops_no_weight_is_refused_with_one_that_does(
    scope: Scope, size: int, dense: Path
) -> None:
    model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    with pytest.raises(SparsityError, match=f"a {scope} of {size:,} weights") as refused:
        check_recipe(replace(WANDA, pattern=Unstructured(0.49 / size, scope)), model)
    lowest = float(str(refused.value).split()[-3])
    assert lowest == pytest.approx(1 / size, abs=1e-6)
    check_recipe(replace(WANDA, pattern=Unstructured(lowest, scope)), model)
    check_recipe(replace(WANDA, pattern=Unstructured(0.0, scope)), model)


def test_an_increment_that_continues_another_needs_the_dense_model(
    dense: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="takes the dense model, too"):
        increment(dense, tmp_path / "out", recipe_at(WANDA, Increment(2, 2)), None, None)
