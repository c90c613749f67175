"""A block that a sweep has pruned, and the result that is recorded of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.layer_pruner import LayerPruner
from worker.pruning.sweep.measurement.measurements import BlockDecision
from worker.pruning.sweep.recipe.stage import StageResult
from worker.pruning.sweep.results import BlockResult, LayerResult


@dataclass(frozen=True)
class FinishedBlock:
    """A block that has been pruned, with what pruned it.

    Attributes:
        index: index of the block.
        decision: what was decided about the block before the first block was pruned.
        stored: the block's parameters.
        pruner: pruned the block's layers; None if the whole block was removed.
        stages: what the stages have done to it.
        output_error: as in `BlockResult`.
        prune_seconds: as in `BlockResult`.
    """

    index: int
    decision: BlockDecision
    stored: Mapping[str, Tensor]
    pruner: LayerPruner[Any] | None
    stages: Sequence[StageResult]
    output_error: float | None
    prune_seconds: float

    def result(self, meta_model: MetaModel) -> BlockResult:
        """Return the result of the block, which is one of the model's blocks."""
        sizes = self.pruner.sizes() if self.pruner else {}
        layers = tuple(self.pruner.results) if self.pruner else ()
        return BlockResult(
            index=self.index,
            total=len(meta_model.blocks),
            name=meta_model.block_name(self.index),
            layers=layers,
            parameters=sum(sizes.values()),
            untouched=_untouched(sizes, layers),
            output_error=self.output_error,
            prune_seconds=self.prune_seconds,
            removed=tuple(self.pruner.removed) if self.pruner else (),
            parameters_removed=sum(map(Tensor.numel, self.stored.values())) - sum(sizes.values()),
            distance=self.decision.distance,
            is_dropped=self.decision.pattern is None,
            **{name: value for stage in self.stages for name, value in stage.fields.items()},
        )


def _untouched(sizes: Mapping[str, int], layers: Iterable[LayerResult]) -> dict[str, int]:
    """Return how many weights were not pruned, by parameter; zero counts are left out.

    Args:
        sizes: how many weights each parameter has, without those of removed units.
        layers: the results of the pruned matrices.
    """
    left = Counter(sizes)
    for layer in layers:
        left[layer.name] -= layer.weights
    return {name: count for name, count in left.items() if count}
