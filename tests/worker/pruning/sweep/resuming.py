"""Sweeps to kill and to resume: their recipes, and what they leave."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tests.models import random_ids
from tests.worker.work import kill_process
from worker.evaluation.distance import token_distances
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.durable_files import sha256
from worker.pruning.binarization.binarizing import Binarizing
from worker.pruning.binarization.settings import Binarization
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.allocation import OwlAllocation
from worker.pruning.methods.matrix_allocation import MatrixAllocation
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.quantization.scheme import Quantization
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.experts.removing import RemovingExperts
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.quantization.quantizing import Quantizing
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult, PruningResult

BLOCKS = 3
CALIBRATION, EVALUATION = random_ids(40, 16, seed=1), random_ids(3, 16, seed=2)
HALF = Recipe(get_scorer("zpruner"), Unstructured(0.5))
SPARSEGPT = replace(HALF, solver=get_solver("sparsegpt"))
CORRECTED = replace(SPARSEGPT, correction=0.3)
OWL = Recipe(get_scorer("wanda"), Unstructured(0.5, "row"), allocation=OwlAllocation())
MATRIX = replace(CORRECTED, allocation=MatrixAllocation())
REFINED = replace(
    HALF,
    correction=0.3,
    stages=(Refining(Refinement(steps=4, learning_rate=2e-3, tokens=32 * 16)),),
)
DEPTH = Recipe(None, Unstructured(0.0), removal=Depth(1 / 3))
NEURONS = Recipe(None, Unstructured(0.0), removal=Neurons(0.2), correction=0.3)
AS_DENSE = replace(NEURONS, correction=0.0)
ADAPT = replace(NEURONS, removal=MeasuredUnits(0.3, Adapt()))
SHARES = Adapt(steps=3, windows=8, tokens=16)
IN_PLACE = replace(NEURONS, removal=MeasuredUnits(0.3, SHARES, uniform=False))
TRIALS = Pgp(steps=20, windows=4, tokens=16, scored=8)
PGP = replace(NEURONS, removal=MeasuredUnits(0.3, TRIALS))
QUANTIZED = replace(HALF, stages=(Quantizing(Quantization(4)),))
REFINED_QUANTIZED = replace(
    REFINED, stages=(*REFINED.stages, Quantizing(Quantization(8, 8, "minmax")))
)
REMOVED = RemovingExperts(ExpertSettings(0.5))
EXPERTS = Recipe(None, Unstructured(0.0), stages=(REMOVED,))
OF_DENSE = replace(REMOVED, settings=ExpertSettings(0.0, 4, from_dense=True))
EXPERTS_OF_DENSE = replace(EXPERTS, stages=(OF_DENSE,))
EXPERTS_REFINED = replace(EXPERTS, correction=0.3, stages=(REMOVED, *REFINED.stages))
BITS = Binarization(4, 2, 6, 16, 0.1)
BINARIZED = Recipe(None, BITS.pattern, own=Binarizing(BITS))


@dataclass(frozen=True)
class Run:
    """The results and the shards of a whole run."""

    reports: list[BlockResult]
    result: PruningResult
    shards: dict[str, str]

    def __post_init__(self) -> None:
        assert len(self.shards) == BLOCKS + 1


def open_sweep(
    dense: Path,
    out: Path,
    recipe: Recipe = HALF,
    dtype: torch.dtype = torch.float32,
    dense_losses: Sequence[float] | None = None,
) -> ModelPruner:
    """Return the sweep that a process would begin, or go on with."""
    out.mkdir(exist_ok=True)
    meta_model = MetaModel.open(dense, dtype, torch.device("cpu"))
    return ModelPruner(
        meta_model,
        recipe,
        CALIBRATION,
        EVALUATION,
        out,
        token_loss,
        dense_losses=dense_losses,
        token_distances=token_distances,
    )


def finish(sweep: ModelPruner, out: Path, after: Callable[[int], object] = lambda _: None) -> Run:
    """Run the sweep to its end; ``after`` is called with each finished block's index."""
    blocks, reports = sweep.run(), []
    while True:
        try:
            reports.append(next(blocks))
            after(reports[-1].index)
        except StopIteration as end:
            shards = {path.name: sha256(path) for path in out.glob("*.safetensors*")}
            shards.pop("model.safetensors.index.json", None)
            return Run(reports, end.value, shards)


def sweep_until(dense: Path, out: Path, recipe: Recipe, reached: dict[str, int]) -> None:
    """Run a sweep, and end this process by signal 9 at the first step with some values."""
    for step in open_sweep(dense, out, recipe).steps():
        if all(getattr(step, name, None) == value for name, value in reached.items()):
            kill_process()


def copy_state(out: Path, target: Path) -> None:
    """Copy the files that a process would leave if it were killed now."""
    shutil.copytree(out, target)


def without_timing(run: Run) -> tuple[object, ...]:
    """Return a run without its timing."""
    reports = [replace(report, prune_seconds=0.0) for report in run.reports]
    return reports, replace(run.result, prune_seconds=0.0, evaluate_seconds=0.0), run.shards
