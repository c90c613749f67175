"""Predicted durations grow with the work, and operations are those that torch counts."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from transformers import LlamaConfig, Qwen3MoeConfig

from tests.models import MIXTURES, VOCABULARY, random_ids, write_model
from tests.worker.pruning.planning.shapes import AMPLE, WORK, llama, rounding, training
from worker.evaluation.distance import token_distances
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.shapes import ModelShape
from worker.pruning.base.speed import Speed
from worker.pruning.binarization.binarizing import Binarizing
from worker.pruning.binarization.settings import Binarization
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.allocation import OwlAllocation
from worker.pruning.methods.patterns import NofM, Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.cost_model import sweep_cost
from worker.pruning.planning.plan import plan
from worker.pruning.planning.workload import Propagation, Workload
from worker.pruning.quantization.scheme import Quantization, Scheme
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, LastTokens, Pgp, UnitMeasuring
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.experts.removing import RemovingExperts
from worker.pruning.sweep.job_shapes import model_shape, workload
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.quantization.quantizing import Quantizing
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining

SPEED = Speed(5e10, 4e10, 4e10, 2e10, 4e9, 1e9, 5e8, 4e5)
ZPRUNER = get_scorer("zpruner")
HALF, NONE = Unstructured(0.5), Unstructured(0.0)
SOLVING = replace(WORK, solver="sparsegpt")
REFINEMENT = Refinement(steps=8)
HALVES = replace(REFINEMENT, scope="half")
REFINING, FOUR_BITS = Refining(REFINEMENT), Quantizing(Quantization(4))
TWO_VALUES = Binarizing(Binarization(4, 3, 5))
SHARES = Adapt(steps=5, windows=16, tokens=32)
TRIALS = Pgp(steps=5, windows=4, tokens=32, scored=8)


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's
    """Counts the operations of all matrix products.

    torch's `FlopCounterMode` also tracks modules, which fails for gradients of selected tensors.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.operations += count(*args, **(kwargs or {}), out_val=result)
        return result


def seconds(work: Workload = WORK, shape: ModelShape | None = None, speed: Speed = SPEED) -> float:
    found = plan(shape or llama(), work, AMPLE, speed).seconds
    assert found is not None
    return found


@pytest.mark.parametrize(
    "more",
    [
        replace(WORK, calibration_windows=129),
        replace(WORK, evaluation_windows=65),
        replace(WORK, seq_len=1025),
        replace(WORK, evaluation_seq_len=1025),
        replace(WORK, propagation="reference"),
        *(replace(WORK, allocation=name) for name in ("owl", "dlp", "matrix")),
        replace(WORK, needs_gradients=True, method="gblm"),
        replace(WORK, swaps=True),
        replace(WORK, stages=(training(REFINEMENT),)),
        replace(WORK, stages=(training(REFINEMENT, 0.3),)),
        replace(WORK, method=None, repairs_units=True, corrects=True),
        replace(WORK, stages=(rounding(Scheme(4, 128)),)),
        replace(WORK, method=None, allocation="depth", own=TWO_VALUES),
        replace(WORK, measuring=UnitMeasuring(True)),
        replace(WORK, measuring=UnitMeasuring(False, 10, 1, 64, 64)),
        replace(WORK, measuring=UnitMeasuring(False, 128, 2, 8, 128, 64)),
        SOLVING,
    ],
)
def test_more_work_takes_longer(more: Workload) -> None:
    assert seconds(more) > seconds()


@pytest.mark.parametrize("solver", ["sparsegpt", "admm", "alps", "exact"])
def test_a_solver_with_correction_takes_longer(solver: str) -> None:
    work = replace(WORK, solver=solver)
    assert seconds(replace(work, corrects=True)) > seconds(work)


def test_training_halves_takes_longer_than_training_blocks_and_so_do_more_steps() -> None:
    block = seconds(replace(WORK, stages=(training(REFINEMENT),)))
    for more in (HALVES, replace(REFINEMENT, steps=16)):
        assert seconds(replace(WORK, stages=(training(more),))) > block


@pytest.mark.parametrize(("solver", "times"), [("alps", 2), ("exact", 1.5)])
def test_a_solver_takes_longer_if_it_also_searches_the_mask(solver: str, times: float) -> None:
    given = replace(WORK, solver=solver, calibration_windows=1, evaluation_windows=0)
    assert seconds(replace(given, method=None)) > times * seconds(given)


def test_a_job_that_prunes_nothing_scores_nothing() -> None:
    evaluating = replace(WORK, calibration_windows=0)
    assert seconds(replace(evaluating, method=None)) < seconds(evaluating) < seconds()


def test_a_known_dense_loss_saves_forward_passes() -> None:
    assert seconds(replace(WORK, dense_windows=16)) < seconds()


def test_twice_the_blocks_take_about_twice_as_long() -> None:
    few = llama(4, vocabulary=100)
    assert seconds(shape=llama(8, vocabulary=100)) == pytest.approx(2 * seconds(shape=few), rel=0.1)


def test_a_machine_twice_as_fast_takes_half_the_time() -> None:
    twice = Speed(*(2 * getattr(SPEED, field.name) for field in fields(SPEED)))
    assert seconds(SOLVING, speed=twice) == pytest.approx(seconds(SOLVING) / 2)


@pytest.mark.parametrize("kind", [field.name for field in fields(Speed)])
def test_a_machine_that_is_slower_at_any_kind_of_work_takes_longer(kind: str) -> None:
    slow = replace(SPEED, **{kind: getattr(SPEED, kind) / 2})
    assert seconds(SOLVING, speed=slow) > seconds(SOLVING)


def test_a_model_that_is_cut_after_the_sweep_takes_longer() -> None:
    whole = llama()
    assert seconds(shape=replace(whole, removed_bytes=whole.stored_bytes // 4)) > seconds()


def test_blocks_that_no_calibration_window_runs_through_take_less_time() -> None:
    work = replace(WORK, method=None, allocation="depth")
    shape = replace(llama(), blocks=tuple(replace(one, layers=()) for one in llama().blocks))
    assert seconds(replace(work, calibrates_blocks=False), shape) < seconds(work, shape)


def test_without_a_measured_speed_a_plan_has_no_duration() -> None:
    assert plan(llama(), WORK, AMPLE).seconds is None


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(ZPRUNER, HALF),
        Recipe(ZPRUNER, HALF, "reference"),
        Recipe(ZPRUNER, HALF, allocation=OwlAllocation()),
        Recipe(get_scorer("gblm"), HALF),
        Recipe(None, HALF, solver=get_solver("sparsegpt")),
        Recipe(None, HALF, solver=get_solver("admm")),
        Recipe(ZPRUNER, HALF, solver=get_solver("alps")),
        Recipe(ZPRUNER, HALF, solver=get_solver("alps"), correction=0.3),
        Recipe(ZPRUNER, HALF, solver=get_solver("exact")),
        Recipe(None, HALF, solver=get_solver("exact")),
        Recipe(ZPRUNER, HALF, stages=(REFINING,)),
        Recipe(ZPRUNER, HALF, "reference", correction=0.3, stages=(Refining(HALVES),)),
        Recipe(None, NONE, removal=Neurons(0.3), correction=0.3),
        Recipe(None, NONE, "reference", removal=Neurons(0.3)),
        Recipe(None, NONE, removal=Neurons(0.3, last_tokens=LastTokens())),
        Recipe(None, NONE, removal=Heads(0.1, repairs=False)),
        Recipe(None, NONE, removal=Depth(0.5)),
        Recipe(None, NONE, removal=Neurons(0.3), stages=(REFINING,)),
        Recipe(None, NONE, removal=MeasuredUnits(0.3, Adapt())),
        Recipe(None, NONE, removal=MeasuredUnits(0.3, SHARES, uniform=False)),
        Recipe(None, NONE, removal=MeasuredUnits(0.3, TRIALS)),
        Recipe(ZPRUNER, HALF, stages=(FOUR_BITS,)),
        Recipe(ZPRUNER, HALF, "reference", stages=(FOUR_BITS,)),
        Recipe(ZPRUNER, HALF, stages=(REFINING, FOUR_BITS)),
        Recipe(None, HALF, "reference", stages=(REFINING, FOUR_BITS)),
        Recipe(None, NofM(4, 8), own=TWO_VALUES),
    ],
    ids=[
        *("fused", "reference", "owl", "gblm", "sparsegpt", "admm", "alps", "corrected"),
        *("exact on a mask", "exact"),
        *("refined", "halves"),
        *("neurons corrected", "neurons as in the dense model", "neurons by prompts", "heads"),
        *("depth", "neurons refined"),
        *("adapt", "adapt in place", "pgp"),
        *("quantized", "reference, quantized", "refined, quantized", "only quantized"),
        "binarized",
    ],
)
def test_predicted_matrix_products_are_those_that_torch_counts(
    recipe: Recipe, tmp_path: Path
) -> None:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=2,
        num_attention_heads=4,
    )
    meta_model = MetaModel.open(
        write_model(tmp_path / "dense", config), torch.float32, torch.device("cpu")
    )
    ids, evaluation = random_ids(16, 64), random_ids(4, 96)
    (out := tmp_path / "out").mkdir()
    sweep = ModelPruner(
        meta_model, recipe, ids, evaluation, out, token_loss, token_distances=token_distances
    )
    with Products() as products:
        list(sweep.run())
    work = workload(meta_model, recipe, ids, evaluation, compares=True)
    predicted = sweep_cost(model_shape(meta_model, recipe), work, sweep.plan.setting)
    total = predicted.forward_matmul + predicted.fp32_matmul + predicted.gram_matmul
    assert total == pytest.approx(products.operations, rel=0.1)


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_the_predicted_products_of_removing_experts_are_those_that_torch_counts(
    tmp_path: Path, propagation: Propagation
) -> None:
    config = Qwen3MoeConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        moe_intermediate_size=352,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        num_experts=8,
        num_experts_per_tok=2,
    )
    folder = write_model(tmp_path / "dense", config)
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    settings = ExpertSettings(0.5, from_dense=propagation == "reference")
    recipe = Recipe(None, NONE, propagation, stages=(RemovingExperts(settings),))
    ids, evaluation = random_ids(16, 64), random_ids(4, 96)
    (tmp_path / "out").mkdir()
    sweep = ModelPruner(meta_model, recipe, ids, evaluation, tmp_path / "out", token_loss)
    with Products() as products:
        list(sweep.run())
    work = workload(meta_model, recipe, ids, evaluation)
    predicted = sweep_cost(model_shape(meta_model, recipe), work, sweep.plan.setting)
    assert predicted.forward_matmul == pytest.approx(products.operations, rel=0.1)
    written = Checkpoint.open(tmp_path / "out")
    assert sweep.plan.artifact_bytes == written.size_bytes(written.tensors)
    assert not sweep.plan.scratch_bytes


def test_an_expert_is_assumed_to_get_its_share_of_the_tokens(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", MIXTURES["mixtral"])
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    layers = model_shape(meta_model, Recipe(ZPRUNER, HALF)).blocks[0].layers
    assert [layer.token_share for layer in layers] == [1.0] * 4 + [0.5] * 8
