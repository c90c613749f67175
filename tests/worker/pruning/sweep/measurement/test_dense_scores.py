"""Allocations in whole runs: every matrix has its own sparsity, and the total is exact."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.pruning.sweeps import sweep
from worker.pruning.methods.allocation import DlpAllocation, MeasuredAllocation, OwlAllocation
from worker.pruning.methods.matrix_allocation import MatrixAllocation
from worker.pruning.methods.patterns import NofM, Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.sweep.measurement.dense_scores import DenseScores
from worker.pruning.sweep.recipe.measurement import needed_measurement
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, LayerResult

WINDOWS = random_ids(40, 16, seed=1)
MATRIX = MatrixAllocation(0.1)


def share(results: Sequence[LayerResult] | Sequence[BlockResult]) -> float:
    return sum(one.zeros for one in results) / sum(one.weights for one in results)


@pytest.mark.parametrize("family", ["llama", "gpt2-conv1d", "mixtral-experts"])
@pytest.mark.parametrize("solver", [None, "sparsegpt"])
def test_each_layer_part_and_expert_has_its_sparsity_and_each_block_the_requested_one(
    tmp_path: Path, family: str, solver: str | None
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])
    mask = (get_scorer("zpruner"), None) if solver is None else (None, get_solver(solver))
    recipe = Recipe(mask[0], Unstructured(0.5), solver=mask[1], allocation=MATRIX)
    blocks, _ = sweep(dense, tmp_path / "out", recipe, WINDOWS)
    for block in blocks:
        assert 2 * block.zeros == block.weights
        shares = [layer.zeros / layer.weights for layer in block.layers]
        assert all(0.395 < one < 0.605 for one in shares)
        assert len(set(shares)) > len(shares) / 3


def test_an_expert_that_no_token_reaches_keeps_the_requested_sparsity(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES["qwen3-moe"])
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.5), allocation=MATRIX)
    blocks, _ = sweep(dense, tmp_path / "out", recipe, random_ids(1, 4, seed=3))
    missed = [layer for block in blocks for layer in block.layers if not layer.tokens]
    assert missed
    assert all(2 * layer.zeros == layer.weights for layer in missed)
    assert all(2 * block.zeros == block.weights for block in blocks)


@pytest.mark.parametrize("allocation", [OwlAllocation(), DlpAllocation(), MATRIX])
def test_a_block_that_is_skipped_takes_no_part(
    tmp_path: Path, allocation: MeasuredAllocation
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    skip = ("model.layers.1.*", "*.o_proj")
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.5), allocation=allocation, skip=skip)
    blocks, _ = sweep(dense, tmp_path / "out", recipe, WINDOWS)
    assert [len(block.layers) for block in blocks] == [6, 0, 6]
    assert share(blocks) == pytest.approx(0.5, abs=1e-3)


def test_dlp_keeps_the_mean_and_has_its_spread(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.6), allocation=DlpAllocation(0.1))
    blocks, _ = sweep(dense, tmp_path / "out", recipe, WINDOWS)
    shares = [block.zeros / block.weights for block in blocks]
    assert sum(shares) / len(shares) == pytest.approx(0.6, abs=1e-3)
    assert max(shares) - min(shares) == pytest.approx(0.2, abs=2e-3)


def test_a_pattern_n_of_m_measures_nothing() -> None:
    recipe = Recipe(get_scorer("wanda"), NofM(2, 4), allocation=MATRIX)
    assert needed_measurement(recipe) is None


@pytest.mark.parametrize("allocation", [OwlAllocation(), DlpAllocation(), MATRIX])
def test_a_second_run_reuses_what_the_first_has_measured(
    tmp_path: Path, allocation: MeasuredAllocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, known = write_model(tmp_path / "dense", FAMILIES["llama"]), tmp_path / "known"
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.5), allocation=allocation)
    first, _ = sweep(dense, tmp_path / "first", recipe, WINDOWS, measurements=known)
    assert len(list(known.iterdir())) == 1
    monkeypatch.delattr(DenseScores, "measure")
    again, _ = sweep(dense, tmp_path / "again", recipe, WINDOWS, measurements=known)
    assert [block.layers for block in again] == [block.layers for block in first]


@pytest.mark.parametrize(
    ("allocation", "files"), [(OwlAllocation(), 1), (DlpAllocation(), 1), (MATRIX, 2)]
)
def test_runs_share_a_measurement_if_it_does_not_depend_on_the_sparsity(
    tmp_path: Path, allocation: MeasuredAllocation, files: int
) -> None:
    dense, known = write_model(tmp_path / "dense", FAMILIES["llama"]), tmp_path / "known"
    for sparsity in (0.5, 0.6):
        recipe = Recipe(get_scorer("wanda"), Unstructured(sparsity), allocation=allocation)
        sweep(dense, tmp_path / f"{sparsity}", recipe, WINDOWS, measurements=known)
    assert len(list(known.iterdir())) == files


def test_other_windows_are_measured_anew(tmp_path: Path) -> None:
    dense, known = write_model(tmp_path / "dense", FAMILIES["llama"]), tmp_path / "known"
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.5), allocation=OwlAllocation())
    for seed in (1, 2):
        ids = random_ids(40, 16, seed=seed)
        sweep(dense, tmp_path / f"{seed}", recipe, ids, measurements=known)
    assert len(list(known.iterdir())) == 2
