"""Running a whole sweep, and windows through its model, for tests."""

from pathlib import Path

import torch
from torch import Tensor

from tests.models import random_ids
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.generators import run_to_end
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Setting
from worker.pruning.sweep.measurement.model_run import ModelRun
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, PruningResult

CALIBRATION, EVALUATION = random_ids(70, 16, seed=1), random_ids(4, 16, seed=2)


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


def model_run(folder: Path, out: Path, batch_tokens: int) -> ModelRun:
    """Return a run of the model in ``folder``, with its progress in a new folder ``out``."""
    out.mkdir()
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    block_inputs = BlockInputs(meta_model)
    with meta_model.loaded_embeddings():
        block_inputs.detect_output_format()
    setting = Setting("fused", batch_tokens, spills=False)
    parts = (token_loss, SINGLE_PROCESS, setting, Progress(out, {}), lambda: out)
    return ModelRun(meta_model, block_inputs, *parts)


def tensors(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint."""
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}
