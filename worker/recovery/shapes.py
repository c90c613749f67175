"""The inputs for planning a recovery: its model's layer shapes, and its numbers of windows."""

from torch import Tensor

from worker.pruning.base.compute import dtype_name
from worker.pruning.base.shapes import ModelShape
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.job_shapes import model_shape
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.recovery.planning.workload import RecoveryWork


def recovery_shape(model: MetaModel) -> ModelShape:
    """Return the shapes of a model for a recovery, which trains all linear layers of its blocks."""
    return model_shape(model, Recipe(None, Unstructured(0.0)))


def recovery_work(
    model: MetaModel, training: Tensor, held_out: Tensor, evaluation: Tensor, ranks: int = 1
) -> RecoveryWork:
    """Return the amount of work of a recovery on these windows of token ids.

    ``training``, ``held_out`` and ``evaluation`` are tensors ``[windows, tokens]``.
    """
    return RecoveryWork(
        training_windows=len(training),
        held_out_windows=len(held_out),
        evaluation_tokens=evaluation.numel(),
        seq_len=training.shape[1],
        dtype=dtype_name(model.dtype),
        device=model.device.type,
        ranks=ranks,
        evaluation_seq_len=evaluation.shape[1],
    )
