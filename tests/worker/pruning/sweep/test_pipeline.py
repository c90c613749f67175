"""Whole pruning runs over small models: their files, their results and their errors."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.evaluation.distance import token_distances
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import AllocationError, NotFiniteError, PatternError, SkipError
from worker.pruning.base.generators import run_to_end
from worker.pruning.base.names import PROGRESS_FOLDER
from worker.pruning.methods.allocation import BlockSparsities, OwlAllocation
from worker.pruning.methods.patterns import NofM, Unstructured
from worker.pruning.methods.registry import SOLVERS, get_scorer, get_solver
from worker.pruning.methods.solvers.solver import Solver
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Propagation
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, PruningResult

CALIBRATION, EVALUATION = random_ids(70, 16, seed=1), random_ids(4, 16, seed=2)

HALF = Recipe(get_scorer("zpruner"), Unstructured(0.5))
REFERENCE = replace(HALF, propagation="reference")


def _sweep(
    folder: Path,
    out: Path,
    *,
    recipe: Recipe = HALF,
    dtype: torch.dtype = torch.float32,
    evaluation: torch.Tensor = EVALUATION,
) -> tuple[list[BlockResult], PruningResult]:
    out.mkdir()
    meta_model = MetaModel.open(folder, dtype, torch.device("cpu"))
    blocks = ModelPruner(meta_model, recipe, CALIBRATION, evaluation, out, token_loss).run()
    reports = []
    while True:
        try:
            reports.append(next(blocks))
        except StopIteration as end:
            FAMILIES["llama"].save_pretrained(out)
            return reports, end.value


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}


@pytest.mark.parametrize("propagation", ["fused", "reference"])
@pytest.mark.parametrize("family", FAMILIES)
def test_exactly_half_of_each_matrix_is_zeroed_and_the_rest_keeps_its_bits(
    tmp_path: Path, family: str, propagation: Propagation
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])

    recipe = Recipe(get_scorer("zpruner"), Unstructured(0.5), propagation)
    reports, _ = _sweep(dense, tmp_path / "out", recipe=recipe)

    before, after = _tensors(dense), _tensors(tmp_path / "out")
    assert before.keys() == after.keys()
    more = 1 if propagation == "reference" else 0  # as the published code counts
    matrices = 0
    for name, old in before.items():
        new = after[name]
        kept = new != 0
        assert torch.equal(new[kept], old[kept])
        assert not torch.signbit(new[~kept]).any()
        if not torch.equal(new, old):
            parts = 3 if "c_attn" in name or "query_key_value" in name else 1
            assert int((~kept).sum()) == round(old.numel() / 2) + parts * more, name
            matrices += parts
    assert matrices == sum(len(report.layers) for report in reports)
    zeros, weights = sum(r.zeros for r in reports), sum(r.weights for r in reports)
    assert 2 * (zeros - matrices * more) == weights
    assert all(report.parameters > report.weights for report in reports)


def test_the_reported_losses_are_those_of_the_loaded_models(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    reports, result = _sweep(dense, tmp_path / "out")
    for folder, loss in ((dense, result.dense_loss), (tmp_path / "out", result.pruned_loss)):
        model = AutoModelForCausalLM.from_pretrained(folder).eval()
        with torch.no_grad():
            assert loss == pytest.approx(float(model(EVALUATION, labels=EVALUATION).loss), rel=1e-6)
    errors = [report.output_error for report in reports]
    assert all(error is not None and 0 < error < 2 for error in errors)


def test_stored_weights_keep_their_dtype_for_any_dtype_of_the_forward_pass(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["qwen3"], torch.float16)
    _sweep(dense, tmp_path / "out", dtype=torch.bfloat16)
    assert {value.dtype for value in _tensors(tmp_path / "out").values()} == {torch.float16}


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    for out in ("one", "two"):
        _sweep(dense, tmp_path / out)
    for file in (tmp_path / "one").glob("[!.]*"):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_activations_in_scratch_files_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    _, held = _sweep(dense, tmp_path / "held")
    monkeypatch.setattr("worker.pruning.planning.plan._IN_MEMORY_BYTES", 0)
    _, spilled = _sweep(dense, tmp_path / "spilled")
    assert (held.dense_loss, held.pruned_loss) == (spilled.dense_loss, spilled.pruned_loss)
    assert [path.name for path in (tmp_path / "spilled" / PROGRESS_FOLDER).iterdir()] == [
        "journal.jsonl"
    ]


def test_fused_propagation_that_does_not_fit_into_memory_becomes_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    out, many = tmp_path / "out", random_ids(5000, 16)
    out.mkdir()
    meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    ample = ModelPruner(meta_model, HALF, many, EVALUATION, out, token_loss)
    lean = ModelPruner(meta_model, REFERENCE, many, EVALUATION, out, token_loss)
    between = (ample.plan.working_bytes + lean.plan.working_bytes) // 2
    # The kernel may evict pages of this process at any moment, and its budget would grow.
    used = psutil.Process().memory_info()
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _: used)
    budget = used.rss + between
    tight = ModelPruner(
        meta_model, HALF, many, EVALUATION, out, token_loss, memory_budget_bytes=budget
    )
    assert ample.plan.setting.propagation == "fused"
    blocks = tight.run()
    assert next(blocks).zeros
    blocks.close()
    assert tight.plan.setting.propagation == "reference"


def test_closing_the_generator_stops_the_run(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    out = tmp_path / "out"
    out.mkdir()
    meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    recipe = Recipe(get_scorer("zpruner"), Unstructured(0.5))
    blocks = ModelPruner(meta_model, recipe, CALIBRATION, EVALUATION, out, token_loss).run()
    next(blocks)
    blocks.close()
    names = sorted(file.name for file in out.glob("[!.]*"))
    # The rest is copied when the embeddings are read, and the index comes last.
    assert names == ["model-00001-of-00004.safetensors", "model-00004-of-00004.safetensors"]
    assert [file.name for file in (out / PROGRESS_FOLDER).iterdir()] == ["journal.jsonl"]
    assert all(parameter.is_meta for parameter in meta_model.model.parameters())


def test_a_weight_that_is_not_finite_is_named(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "sound", FAMILIES["llama"]))
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("nan")
    model.save_pretrained(tmp_path / "spoilt")
    with pytest.raises(NotFiniteError, match=r"model\.layers\.1\.mlp\.up_proj contains NaN"):
        _sweep(tmp_path / "spoilt", tmp_path / "out")


def test_the_block_whose_output_overflows_float16_is_named(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "sound", FAMILIES["llama"]))
    mlp = model.model.layers[1].mlp
    mlp.up_proj.weight.data.mul_(1e3)
    mlp.down_proj.weight.data.mul_(5e5)  # each weight and each input of a matrix fits into float16
    model.save_pretrained(tmp_path / "large")
    with pytest.raises(NotFiniteError, match=r"the output of model\.layers\.1 contains NaN"):
        _sweep(tmp_path / "large", tmp_path / "out", dtype=torch.float16)


@pytest.mark.parametrize(
    ("family", "propagation", "solver"),
    [  # each family and each solver with each propagation
        ("llama", "fused", "sparsegpt"),
        ("llama", "reference", "alps"),
        ("llama", "reference", "exact"),
        ("gpt2-conv1d", "fused", "exact"),
        ("gpt2-conv1d", "reference", "sparsegpt"),
        ("gpt-neox", "fused", "alps"),
        ("gpt-neox", "fused", "admm"),
        ("gpt-neox", "reference", "admm"),
    ],
)
def test_a_solver_lowers_the_error_of_the_mask_alone(
    tmp_path: Path, family: str, propagation: Propagation, solver: str
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])
    mask = Recipe(get_scorer("wanda"), Unstructured(0.5, "row"), propagation)
    masked, _ = _sweep(dense, tmp_path / "masked", recipe=mask)
    repair = replace(mask, solver=get_solver(solver))
    repaired, _ = _sweep(dense, tmp_path / "repaired", recipe=repair)
    for one, other in zip(masked, repaired, strict=True):
        assert one.zeros == other.zeros
        assert not any(layer.fallback for layer in other.layers)
    assert _last_error(repaired) < _last_error(masked)


@pytest.mark.parametrize(
    ("family", "propagation", "solver"),
    [  # each family and each solver with each propagation
        ("llama", "fused", "sparsegpt"),
        ("llama", "reference", "alps"),
        ("llama", "reference", "exact"),
        ("opt-projected", "fused", "exact"),
        ("opt-projected", "fused", "alps"),
        ("opt-projected", "reference", "admm"),
        ("mixtral-experts", "fused", "admm"),
        ("mixtral-experts", "reference", "sparsegpt"),
    ],
)
def test_correction_lowers_the_error_on_the_calibration_text(
    tmp_path: Path, family: str, propagation: Propagation, solver: str
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])
    recipe = Recipe(None, Unstructured(0.5), propagation, get_solver(solver))
    errors = []
    for share in (0.0, 0.5):
        out, corrected = tmp_path / f"{share}", replace(recipe, correction=share)
        reports, _ = _sweep(dense, out, recipe=corrected, evaluation=CALIBRATION)
        errors.append(_last_error(reports))
    assert errors[1] < errors[0]


def test_correction_with_activations_in_scratch_files_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(None, Unstructured(0.5), solver=get_solver("sparsegpt"), correction=0.5)
    _sweep(dense, tmp_path / "held", recipe=recipe)
    monkeypatch.setattr("worker.pruning.planning.plan._IN_MEMORY_BYTES", 0)
    _sweep(dense, tmp_path / "spilled", recipe=recipe)
    held, spilled = _tensors(tmp_path / "held"), _tensors(tmp_path / "spilled")
    assert all(torch.equal(held[name], spilled[name]) for name in held)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_a_solver_without_a_score_chooses_its_own_mask_of_the_same_size(
    tmp_path: Path, solver: str
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(None, Unstructured(0.5), solver=get_solver(solver))
    reports, _ = _sweep(dense, tmp_path / "out", recipe=recipe)
    assert all(2 * layer.zeros == layer.weights for one in reports for layer in one.layers)


@pytest.mark.parametrize("solver", [None, *SOLVERS.values()])
def test_two_of_each_four_neighbours_are_kept(tmp_path: Path, solver: Solver | None) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(get_scorer("zpruner"), NofM(2, 4), solver=solver)
    _sweep(dense, tmp_path / "out", recipe=recipe)
    for name, weight in _tensors(tmp_path / "out").items():
        if name.endswith("proj.weight"):
            assert ((weight.view(-1, 4) != 0).sum(1) == 2).all(), name


def test_a_pattern_that_does_not_divide_the_rows_is_refused_before_any_work(
    tmp_path: Path,
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    with pytest.raises(PatternError, match=r"layers\.0\.self_attn\.q_proj has rows of 32 weights"):
        _sweep(dense, tmp_path / "out", recipe=Recipe(get_scorer("zpruner"), NofM(2, 5)))
    assert not list((tmp_path / "out").iterdir())


def test_owl_keeps_the_mean_and_prunes_blocks_with_outliers_less(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.6), allocation=OwlAllocation())
    reports, _ = _sweep(dense, tmp_path / "out", recipe=recipe)
    shares = [report.zeros / report.weights for report in reports]
    assert sum(shares) / len(shares) == pytest.approx(0.6, abs=1e-3)
    assert max(shares) - min(shares) == pytest.approx(0.16, abs=2e-3)


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_each_block_gets_its_given_sparsity(tmp_path: Path, propagation: Propagation) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    written = BlockSparsities((0.25, 0.0, 0.75))
    recipe = Recipe(get_scorer("wanda"), Unstructured(1 / 3, "row"), propagation)
    reports, _ = _sweep(dense, tmp_path / "out", recipe=replace(recipe, allocation=written))
    assert [report.zeros / report.weights for report in reports] == [0.25, 0.0, 0.75]


def test_sparsities_for_another_number_of_blocks_are_refused_before_any_work(
    tmp_path: Path,
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.5), allocation=BlockSparsities((0.4, 0.6)))
    with pytest.raises(AllocationError, match="2 sparsities for a model of 3 blocks"):
        _sweep(dense, tmp_path / "out", recipe=recipe)
    assert not list((tmp_path / "out").iterdir())


def test_skipped_layers_keep_every_bit(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(get_scorer("zpruner"), Unstructured(0.5), skip=("*.o_proj", "model.layers.0.*"))
    reports, _ = _sweep(dense, tmp_path / "out", recipe=recipe)
    before, after = _tensors(dense), _tensors(tmp_path / "out")
    for name in before:
        spared = name.startswith("model.layers.0.") or name.endswith("o_proj.weight")
        assert torch.equal(before[name], after[name]) == (
            spared or not name.endswith("proj.weight")
        )
    assert [len(report.layers) for report in reports] == [0, 6, 6]


def test_skipping_everything_is_refused(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = Recipe(get_scorer("zpruner"), Unstructured(0.5), skip=("*",))
    with pytest.raises(SkipError, match=r"skip \* leaves no layer"):
        _sweep(dense, tmp_path / "out", recipe=recipe)


@pytest.mark.parametrize("family", ["llama", "gpt2-conv1d", "mixtral-experts"])
def test_a_glob_that_matches_no_part_of_the_model_is_refused(tmp_path: Path, family: str) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])
    meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    recipe = Recipe(get_scorer("zpruner"), Unstructured(0.5), skip=("lm_head", "*.oproj"))
    first = "model.layers.0.self_attn.q_proj" if family != "gpt2-conv1d" else "transformer.h.0.attn"
    with pytest.raises(SkipError, match=rf"no layer .* matches '\*\.oproj'; .* such as {first}"):
        check_recipe(recipe, meta_model)
    check_recipe(replace(recipe, skip=("lm_head",)), meta_model)
    if family == "mixtral-experts":
        check_recipe(replace(recipe, skip=("*.experts.3.*",)), meta_model)


def _last_error(reports: list[BlockResult]) -> float:
    error = reports[-1].output_error
    assert error is not None
    return error


def test_predictions_are_compared_on_the_first_windows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pruning.sweep.evaluation._COMPARED_TOKENS", 36 * 16)
    dense, evaluation = write_model(tmp_path / "dense", FAMILIES["llama"]), random_ids(40, 16)

    def compare(out: Path, known: tuple[float, ...] | None) -> PruningResult:
        out.mkdir()
        meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
        sweep = ModelPruner(
            meta_model,
            HALF,
            CALIBRATION,
            evaluation,
            out,
            token_loss,
            dense_losses=known,
            token_distances=token_distances,
        )
        return run_to_end(sweep.run(), lambda _: None)

    measured = compare(tmp_path / "measured", None)

    assert len(measured.distances) == 36  # the fourth of the second batch of 8 is the last one
    losses = zip(measured.dense_losses, measured.pruned_losses, strict=True)
    for distances, pair in zip(measured.distances, losses, strict=False):
        assert distances[:2] == pytest.approx(pair, rel=1e-5)
    assert compare(tmp_path / "known", measured.dense_losses).distances == measured.distances
