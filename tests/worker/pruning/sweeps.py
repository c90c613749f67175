"""Running a whole sweep, for tests of its result."""

from pathlib import Path

import torch
from torch import Tensor

from tests.models import random_ids
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, PruningResult

CALIBRATION, EVALUATION = random_ids(150, 16, seed=1), random_ids(4, 16, seed=2)


def sweep(
    folder: Path,
    out: Path,
    recipe: Recipe,
    calibration: Tensor = CALIBRATION,
    *,
    evaluation: Tensor = EVALUATION,
    dtype: torch.dtype = torch.float32,
    measurements: Path | None = None,
) -> tuple[list[BlockResult], PruningResult]:
    """Prune the model in ``folder`` into ``out``."""
    out.mkdir()
    meta_model = MetaModel.open(folder, dtype, torch.device("cpu"))
    ids = (calibration, evaluation)
    pruner = ModelPruner(meta_model, recipe, *ids, out, token_loss, measurements=measurements)
    blocks = pruner.run()
    reports: list[BlockResult] = []
    return reports, run_to_end(blocks, reports.append)


def tensors(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint."""
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}
