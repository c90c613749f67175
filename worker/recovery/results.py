"""The progress and the result of a recovery."""

from dataclasses import dataclass, field
from math import inf
from typing import Literal

from worker.pruning.model.head_loss import mean_loss
from worker.pruning.model.shards import Shard
from worker.recovery.planning.plan import RecoveryPlan

Stage = Literal["teacher", "training", "evaluating"]
_LEAST = 1e-12  # of a loss, to divide by


@dataclass(frozen=True)
class RecoveryProgress:
    """The progress of a recovery at a point where it can be interrupted.

    Attributes:
        stage: ``teacher`` runs the training text through the dense model, ``training`` makes the
            optimizer's steps, ``evaluating`` measures the loss of a whole model.
        step: number of finished steps of the stage. In ``training`` these are the optimizer's
            steps; in the other stages, a step is the run of one block.
        steps: number of steps of the stage.
        tokens: number of tokens that the stage has processed.
        loss: mean training loss per token of the last step; None before the first step and in
            other stages.
        held_out_loss: mean loss on the held-out windows; None if it was not measured after this
            step.
        tokens_per_second: speed of the stage in this run.
    """

    stage: Stage
    step: int
    steps: int
    tokens: int
    loss: float | None = None
    held_out_loss: float | None = None
    tokens_per_second: float = 0.0


@dataclass(frozen=True)
class CurvePoint:
    """The losses of one step.

    Attributes:
        step: number of steps made so far; 0 is the pruned model.
        loss: mean training loss of the step; None for step 0.
        held_out_loss: mean loss on the held-out windows after the step; None if not measured.
        held_out_of_sources: that of the windows of each text of a mix; None without one.
    """

    step: int
    loss: float | None
    held_out_loss: float | None
    held_out_of_sources: tuple[float, ...] | None = None

    def relative_to(self, start: "CurvePoint") -> float:
        """Return the held-out loss, which is smallest in the best state.

        For a mix it is the largest of its texts, each relative to the loss of that text at the
        start: no text pays for another one.
        """
        own, first = self.held_out_of_sources, start.held_out_of_sources
        if own and first:
            return max(loss / max(before, _LEAST) for loss, before in zip(own, first, strict=True))
        return inf if self.held_out_loss is None else self.held_out_loss


@dataclass(frozen=True)
class RecoveryResult:
    """The result of a recovery.

    The held-out losses are values of the training loss, computed with the weights rounded to their
    stored dtype. The evaluation losses are measured as in a sweep.

    Attributes:
        steps: steps that were made; fewer than planned if the held-out loss stopped improving.
        best_step: the step whose weights were written; 0 if the pruned model was kept.
        tokens: number of training tokens in all steps that were made.
        held_out_before, held_out_after: the held-out loss of the pruned model, and of the written
            model.
        kept_start: whether no step improved the held-out loss, so that the pruned model was kept.
        mask_moved: the share of the places of pruned matrices that are zero in only one of the
            pruned and the written model; None if the kind keeps the mask.
        evaluation_losses_before, evaluation_losses_after: the mean loss per token of each
            evaluation window, of the pruned model, and of the written model.
        curve: the losses of all steps.
        seconds: duration of this run, plus that of earlier runs up to their last record.
        resumed_from_step: the step from which this run continued the training of an earlier run;
            None if no earlier run had saved a step.
        plan: the setting of the run, and the memory and time that were predicted.
        peak_bytes: the peak of resident memory, summed over the processes.
        device_peak_bytes: the peak memory of this process's tensors on its GPU; None on a CPU.
        shards: the files that were written, with their digests.
    """

    steps: int
    best_step: int
    tokens: int
    held_out_before: float
    held_out_after: float
    kept_start: bool
    mask_moved: float | None
    evaluation_losses_before: tuple[float, ...]
    evaluation_losses_after: tuple[float, ...]
    curve: tuple[CurvePoint, ...]
    # These depend on the course of the run, so equal results may differ in them.
    seconds: float = field(compare=False)
    resumed_from_step: int | None = field(compare=False)
    plan: RecoveryPlan = field(compare=False)
    peak_bytes: int = field(compare=False)
    device_peak_bytes: int | None = field(compare=False)
    shards: tuple[Shard, ...] = field(compare=False, default=())

    @property
    def evaluation_loss_before(self) -> float | None:
        """The pruned model's mean loss per token; None without evaluation windows."""
        return mean_loss(self.evaluation_losses_before)

    @property
    def evaluation_loss_after(self) -> float | None:
        """The written model's mean loss per token; None without evaluation windows."""
        return mean_loss(self.evaluation_losses_after)
