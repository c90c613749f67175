"""The progress and the result of a recovery."""

from dataclasses import dataclass, field
from typing import Literal

from worker.pruning.model.shards import Shard
from worker.recovery.planning.plan import RecoveryPlan

Stage = Literal["teacher", "training", "evaluating"]


@dataclass(frozen=True)
class RecoveryProgress:
    """What has been done when a recovery can be interrupted.

    Attributes:
        stage: ``teacher`` runs the training text through the dense model, ``training`` makes the
            optimizer's steps, ``evaluating`` measures the loss of a whole model.
        step: steps of the stage that are done; of ``training`` the optimizer's, of the others one
            for each block that has been run.
        steps: steps that the stage has.
        tokens: tokens that the stage has processed.
        loss: mean training loss per token of this step; None in other stages.
        held_out_loss: mean loss on the held-out windows, if it has just been measured.
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
        step: steps that have been made; 0 is the pruned model.
        loss: mean training loss of the step; None for step 0.
        held_out_loss: mean loss on the held-out windows after the step; None if not measured.
    """

    step: int
    loss: float | None
    held_out_loss: float | None


@dataclass(frozen=True)
class RecoveryResult:
    """The result of a recovery.

    The held-out losses are of the training objective, with weights as they are stored. The
    evaluation losses are measured as in a sweep; None without evaluation windows.

    Attributes:
        steps: steps that were made; fewer than planned if the held-out loss kept rising.
        best_step: the step after which the weights were written; 0 if the start was kept.
        tokens: training tokens of these steps.
        held_out_before, held_out_after: of the pruned model, and of the model that was written.
        kept_start: whether no step improved the held-out loss, so that the pruned model was kept.
        evaluation_loss_before, evaluation_loss_after: likewise, mean loss per token.
        curve: the losses of all steps.
        seconds: time of all runs together.
        resumed_from_step: the step that an earlier run had reached.
        plan: the setting of the run, and the memory and time that were predicted.
        peak_bytes: the peak of resident memory, summed over the processes.
        device_peak_bytes: the most memory that tensors took on any one GPU; None on a CPU.
        shards: the files that were written, with their digests.
    """

    steps: int
    best_step: int
    tokens: int
    held_out_before: float
    held_out_after: float
    kept_start: bool
    evaluation_loss_before: float | None
    evaluation_loss_after: float | None
    curve: tuple[CurvePoint, ...]
    # These depend on the course of the run, so equal results may differ in them.
    seconds: float = field(compare=False)
    resumed_from_step: int | None = field(compare=False)
    plan: RecoveryPlan = field(compare=False)
    peak_bytes: int = field(compare=False)
    device_peak_bytes: int | None = field(compare=False)
    shards: tuple[Shard, ...] = field(compare=False, default=())
