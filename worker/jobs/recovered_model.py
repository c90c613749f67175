"""The model that a recovery has written, with its zeros counted again."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker.jobs.recovery import JobRecovery
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.sweep.results import BlockResult
from worker.recovery.results import RecoveryResult


@dataclass(frozen=True)
class RecoveredModel:
    """A pruned model after its recovery.

    Attributes:
        recovery: the recovery that trained the model.
        zeros: how many weights are zero in the model's pruned matrices.
    """

    recovery: JobRecovery
    result: RecoveryResult
    zeros: int

    @classmethod
    def count(
        cls, recovery: JobRecovery, result: RecoveryResult, blocks: Sequence[BlockResult]
    ) -> "RecoveredModel":
        """Return the recovered model; ``blocks`` lists the matrices in which zeros are counted."""
        pruned = {f"{block.name}.{layer.name}" for block in blocks for layer in block.layers}
        plain, joined = recovery.job.meta_model.weights.sources_of(pruned.__contains__)
        # A matrix may be pruned in part, so that zeros elsewhere in it do not count.
        gained = _zeros(recovery.out, plain + joined) - _zeros(recovery.pruned, plain + joined)
        return cls(recovery, result, sum(block.zeros for block in blocks) + gained)

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of the training by name."""
        result = self.result
        moved = {} if result.mask_moved is None else {"mask_moved": result.mask_moved}
        return {
            "kind": self.recovery.settings.kind,
            "steps": result.steps,
            "best_step": result.best_step,
            "tokens": result.tokens,
            "seconds": result.seconds,
            "kept_start": result.kept_start,
            "held_out_loss_before": result.held_out_before,
            "held_out_loss_after": result.held_out_after,
            **moved,
        }

    def report(self) -> dict[str, Any]:
        """Return how the model was trained, with the loss of every step."""
        windows, result = self.recovery.windows, self.result
        return {
            "settings": asdict(self.recovery.settings),
            "training": windows.training.provenance,
            "held_out": windows.held_out.provenance,
            "curve": [asdict(point) for point in result.curve],
            "plan": asdict(result.plan),
            "resumed_from_step": result.resumed_from_step,
        }


def _zeros(folder: Path, names: Iterable[str]) -> int:
    checkpoint = Checkpoint.open(folder).dequantized()
    tensors = (checkpoint.read(name) for name in names)
    return sum(tensor.numel() - int(tensor.count_nonzero()) for tensor in tensors)
