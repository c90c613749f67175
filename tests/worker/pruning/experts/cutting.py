"""Removing experts from a small model, from the sweep to the folder."""

from pathlib import Path

import torch
from torch import Tensor

from tests.worker.pruning.sweeps import CALIBRATION, sweep
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import write_config
from worker.pruning.sweep.experts.removing import RemovingExperts
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, PruningResult


def recipe(settings: ExpertSettings) -> Recipe:
    return Recipe(None, Unstructured(0.0), stages=(RemovingExperts(settings),))


def cut(
    dense: Path, out: Path, settings: ExpertSettings, calibration: Tensor = CALIBRATION[:24]
) -> tuple[list[BlockResult], PruningResult]:
    """Remove experts, and complete the folder of the result."""
    reports, result = sweep(dense, out, recipe(settings), calibration)
    meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    fields = recipe(settings).fields(meta_model)
    write_config(dense, out, meta_model.model.config, fields)
    return reports, result
