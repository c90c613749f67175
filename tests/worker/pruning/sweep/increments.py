"""Sweeps that continue an earlier one, for tests of their results."""

from collections.abc import Sequence
from pathlib import Path

import torch

from tests.models import random_ids
from worker.evaluation.perplexity import token_loss
from worker.jobs.recipes import recipe_at
from worker.pruning.base.generators import run_to_end
from worker.pruning.base.increments import Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, PruningResult

CALIBRATION, EVALUATION = random_ids(40, 16, seed=1), random_ids(3, 16, seed=2)
TOTAL = 3


def increment(
    dense: Path, out: Path, recipe: Recipe, source: Path | None, known: Sequence[float] | None
) -> ModelPruner:
    """Return the sweep of one increment."""
    out.mkdir(parents=True, exist_ok=True)
    model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    start, reference = (model.with_weights(source), model) if source else (model, None)
    ids = (CALIBRATION, EVALUATION)
    return ModelPruner(start, recipe, *ids, out, token_loss, dense_losses=known, dense=reference)


def gradually(
    dense: Path, folder: Path, recipe: Recipe, total: int = TOTAL
) -> list[tuple[list[BlockResult], PruningResult]]:
    """Make all increments, each in a folder named by its number."""
    source: Path | None = None
    known: Sequence[float] | None = None
    made: list[tuple[list[BlockResult], PruningResult]] = []
    for number in range(1, total + 1):
        own = recipe_at(recipe, Increment(number, total))
        reports: list[BlockResult] = []
        sweep = increment(dense, folder / str(number), own, source, known)
        result = run_to_end(sweep.run(), reports.append)
        made.append((reports, result))
        source, known = folder / str(number), result.dense_losses
    return made


def gone(block: BlockResult) -> set[tuple[str, int]]:
    """Return the removed units of a block by name and index, or the block itself."""
    if block.is_dropped:
        return {(block.name, 0)}
    return {
        (units.name, index)
        for units in block.removed
        for start, end in units.ranges
        for index in range(start, end)
    }
