"""Whole sweeps in which each block is trained after its pruning."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.models import FAMILIES, MIXTURES, RECURRENT, random_ids, write_model
from tests.worker.pruning.sweeps import CALIBRATION, sweep, tensors
from worker.pruning.base.errors import RefinementError
from worker.pruning.base.names import PROGRESS_FOLDER
from worker.pruning.methods.patterns import NofM, Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.methods.solvers.solver import Solver
from worker.pruning.planning.workload import Propagation
from worker.pruning.refinement.settings import Refinement
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult

CONFIGS = {**FAMILIES, **MIXTURES, **RECURRENT}
REFINEMENT = Refinement(steps=6, learning_rate=2e-3, tokens=32 * 16)
PLAIN = Recipe(get_scorer("wanda"), Unstructured(0.5))
DEFAULT = Refining(Refinement())
REFINED = replace(PLAIN, stages=(Refining(REFINEMENT),))


def losses(reports: list[BlockResult]) -> list[tuple[float, float]]:
    found = [report.refinement for report in reports]
    return [(one.held_out_before, one.held_out_after) for one in found if one is not None]


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def first_block(folder: Path) -> dict[str, Tensor]:
    """Return the matrices of the first block, which is pruned alike with and without training."""
    found = tensors(folder)
    return {name: value for name, value in found.items() if ".0." in name and value.ndim > 1}


@pytest.mark.parametrize(
    ("family", "recipe"),
    [
        ("llama", REFINED),
        ("llama", replace(REFINED, correction=0.3)),
        ("llama", replace(REFINED, solver=get_solver("sparsegpt"), correction=0.3)),
        ("llama", replace(REFINED, propagation="reference")),
        ("qwen3", replace(REFINED, stages=(Refining(replace(REFINEMENT, scope="half")),))),
        ("gpt2-conv1d", REFINED),
        ("gpt-oss-interleaved", REFINED),
        ("jetmoe-modules", replace(REFINED, solver=get_solver("sparsegpt"), correction=0.3)),
        ("mamba2", REFINED),
    ],
)
def test_zeros_stay_where_they_are_and_the_held_out_loss_falls(
    tmp_path: Path, family: str, recipe: Recipe
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    sweep(dense, tmp_path / "plain", replace(recipe, stages=()))
    reports, _ = sweep(dense, tmp_path / "refined", recipe)

    found = losses(reports)
    assert len(found) == 3
    assert all(after <= before for before, after in found)
    assert sum(after for _, after in found) < 0.99 * sum(before for before, _ in found)
    plain, refined = first_block(tmp_path / "plain"), first_block(tmp_path / "refined")
    for name, weight in refined.items():
        assert torch.equal(weight != 0, plain[name] != 0), name
        assert not torch.signbit(weight[weight == 0]).any()
    assert any(not torch.equal(weight, plain[name]) for name, weight in refined.items())
    zeros = sum(int((value == 0).sum()) for value in tensors(tmp_path / "refined").values())
    assert zeros >= sum(report.zeros for report in reports)


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_no_step_gives_the_bytes_of_a_sweep_without_refinement(
    tmp_path: Path, propagation: Propagation
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    plain = replace(PLAIN, solver=get_solver("sparsegpt"), correction=0.3, propagation=propagation)
    sweep(dense, tmp_path / "plain", plain)
    none = replace(plain, stages=(Refining(replace(REFINEMENT, steps=0)),))
    reports, _ = sweep(dense, tmp_path / "none", none)
    assert shards(tmp_path / "plain") == shards(tmp_path / "none")
    assert all(before == after > 0 for before, after in losses(reports))


def test_long_windows_are_trained_on_by_their_first_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    monkeypatch.setattr(
        "worker.pruning.refinement.settings._STEP_TOKENS", CALIBRATION.shape[1] // 2
    )
    reports, _ = sweep(dense, tmp_path / "out", replace(REFINED, correction=0.3))
    assert all(after < before for before, after in losses(reports))


def test_the_seed_decides_the_bytes(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    for out, seed in (("one", 0), ("again", 0), ("other", 1)):
        seeded = Refining(replace(REFINEMENT, seed=seed))
        sweep(dense, tmp_path / out, replace(REFINED, stages=(seeded,)))
    one, again, other = (shards(tmp_path / out) for out in ("one", "again", "other"))
    assert one == again != other


@pytest.mark.parametrize("solver", [None, get_solver("sparsegpt")])
def test_two_of_each_four_neighbours_stay(tmp_path: Path, solver: Solver | None) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = replace(REFINED, pattern=NofM(2, 4), solver=solver)
    sweep(dense, tmp_path / "out", recipe)
    for name, weight in tensors(tmp_path / "out").items():
        if name.endswith("proj.weight"):
            assert ((weight.view(-1, 4) != 0).sum(1) == 2).all(), name


def test_skipped_layers_and_norms_that_are_not_trained_keep_every_bit(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    spared = replace(REFINED, skip=("*.o_proj", "model.layers.0.*"))
    sweep(dense, tmp_path / "norms", spared)
    spared = replace(spared, stages=(Refining(replace(REFINEMENT, norms=False)),))
    sweep(dense, tmp_path / "bare", spared)
    before, norms, bare = (tensors(tmp_path / name) for name in ("dense", "norms", "bare"))
    for name, old in before.items():
        kept = name.startswith("model.layers.0.") or "layers" not in name or "o_proj" in name
        is_norm = "layernorm" in name
        assert torch.equal(old, norms[name]) == kept, name
        assert torch.equal(old, bare[name]) == (kept or is_norm), name


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        (torch.float32, torch.bfloat16),
        (torch.bfloat16, torch.float32),
        (torch.bfloat16, torch.bfloat16),
        (torch.float16, torch.float16),
    ],
)
def test_weights_are_trained_in_any_stored_and_computed_dtype(
    tmp_path: Path, stored: torch.dtype, computed: torch.dtype
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"], stored)
    reports, _ = sweep(dense, tmp_path / "out", REFINED, dtype=computed)
    after = tensors(tmp_path / "out")
    assert {value.dtype for value in after.values()} == {stored}
    found = losses(reports)
    assert all(after <= before for before, after in found)
    assert sum(after for _, after in found) < sum(before for before, _ in found)
    zeros = sum(int((value == 0).sum()) for name, value in after.items() if "proj" in name)
    assert zeros == sum(report.zeros for report in reports)


def test_activations_in_scratch_files_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = replace(REFINED, correction=0.3)
    sweep(dense, tmp_path / "held", recipe)
    monkeypatch.setattr("worker.pruning.planning.plan._IN_MEMORY_BYTES", 0)
    sweep(dense, tmp_path / "spilled", recipe)
    assert shards(tmp_path / "held") == shards(tmp_path / "spilled")
    left = [path.name for path in (tmp_path / "spilled" / PROGRESS_FOLDER).iterdir()]
    assert left == ["journal.jsonl"]


def test_correction_aims_at_the_dense_model(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    errors = []
    for share in (0.0, 1.0):
        refinement = replace(REFINEMENT, steps=20, tokens=None)
        recipe = replace(REFINED, correction=share, stages=(Refining(refinement),))
        reports, _ = sweep(dense, tmp_path / f"{share}", recipe, evaluation=CALIBRATION)
        errors.append(reports[-1].output_error or 0.0)
    assert 0 < errors[1] < errors[0]


def test_a_model_that_is_not_pruned_has_nothing_to_learn(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    unpruned = Recipe(None, Unstructured(0.0), stages=(Refining(REFINEMENT),))
    reports, _ = sweep(dense, tmp_path / "out", unpruned)
    assert losses(reports) == [(0.0, 0.0)] * 3
    before, after = tensors(dense), tensors(tmp_path / "out")
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_too_few_windows_are_refused_before_any_work(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    with pytest.raises(RefinementError, match="set samples to 8 or more"):
        sweep(
            dense,
            tmp_path / "out",
            replace(PLAIN, stages=(Refining(Refinement()),)),
            random_ids(7, 16),
        )
    assert not list((tmp_path / "out").iterdir())
