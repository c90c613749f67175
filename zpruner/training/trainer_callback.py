"""A callback of transformers' Trainer that keeps zeros zero."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from zpruner.training.masks import MIN_SPARSITY, check_min_sparsity
from zpruner.training.zero_hooks import ZeroHooks, keep_zeros


class KeepZerosCallback(TrainerCallback):
    """Keeps the zeros of a sparse model in every step, from the beginning of training to its end.

    They are also kept in every saved checkpoint, and when training resumes from a checkpoint.

    Args:
        masks: as for ``keep_zeros``; by default the masks of the zeros that the model has when
            training begins.
        min_sparsity: as for ``keep_zeros``.

    Raises:
        MaskError: ``min_sparsity`` is out of its bounds.
        NotSparseError, MaskError, OptimizerError: as in ``keep_zeros``, when training begins.
    """

    def __init__(
        self, masks: Mapping[str, Tensor] | None = None, min_sparsity: float = MIN_SPARSITY
    ) -> None:
        check_min_sparsity(min_sparsity)
        self._masks, self._min_sparsity = masks, min_sparsity
        self._hooks: ZeroHooks | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: nn.Module,
        optimizer: Optimizer,
        **_: object,
    ) -> None:
        """Begin to keep the zeros; transformers calls this method."""
        self._remove()  # training that an error ended has left them
        self._hooks = keep_zeros(model, optimizer, self._masks, self._min_sparsity)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Stop keeping the zeros; transformers calls this method."""
        self._remove()

    def _remove(self) -> None:
        if self._hooks is not None:
            self._hooks.remove()
            self._hooks = None
