"""A sweep in a process whose memory is limited."""

import json
import resource
from pathlib import Path

import torch

from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.memory import process_status_bytes
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Recipe


def sweep_within(extra_bytes: int, folder: Path, out: Path, method: str, report: Path) -> None:
    """Prune a model with ``extra_bytes`` of memory beyond those of this process.

    Write to a file whether the limit is lower than the model's size, and how many weights are zero,
    or why the sweep was refused.
    """
    torch.set_num_threads(1)
    _ = torch.ones(256, 256) @ torch.ones(256, 256)
    limit = process_status_bytes("VmData") + extra_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    size = meta_model.checkpoint.size_bytes(meta_model.checkpoint.tensors)
    found: dict[str, object] = {"size": size, "binds": not _fits(size)}
    ids = torch.arange(512).view(4, 128)
    recipe = Recipe(get_scorer(method), Unstructured(0.5))
    try:
        reports = list(ModelPruner(meta_model, recipe, ids, ids[:1], out, token_loss).run())
        found["zeros"] = sum(one.zeros for one in reports)
    except InsufficientMemoryError as error:
        found["refused"] = str(error)
    report.write_text(json.dumps(found))


def _fits(size: int) -> bool:
    try:
        torch.empty(size, dtype=torch.uint8)
    except RuntimeError:
        return False
    return True
