"""The result that is recorded of a block that a sweep has pruned."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.layer_pruner import LayerPruner
from worker.pruning.sweep.measurement.measurements import BlockDecision
from worker.pruning.sweep.recipe.stage import StageResult
from worker.pruning.sweep.results import BlockResult, LayerResult


def block_result(
    meta_model: MetaModel,
    index: int,
    decision: BlockDecision,
    pruner: LayerPruner[Any] | None,
    stages: Sequence[StageResult],
    dense_numbers: int,
    *,
    output_error: float | None,
    prune_seconds: float,
) -> BlockResult:
    """Return the result of a block.

    Args:
        index: index of the block.
        decision: what was decided about the block before the first block was pruned.
        pruner: pruned the block's layers; None if the whole block was removed.
        stages: what the stages have done to it.
        dense_numbers: how many parameters it had before anything was removed.
        output_error, prune_seconds: as in `BlockResult`.
    """
    sizes = pruner.sizes() if pruner else {}
    layers = tuple(pruner.results) if pruner else ()
    return BlockResult(
        index=index,
        total=len(meta_model.blocks),
        name=meta_model.block_name(index),
        layers=layers,
        parameters=sum(sizes.values()),
        untouched=_untouched(sizes, layers),
        output_error=output_error,
        prune_seconds=prune_seconds,
        removed=tuple(pruner.removed) if pruner else (),
        parameters_removed=dense_numbers - sum(sizes.values()),
        distance=decision.distance,
        is_dropped=decision.pattern is None,
        **{name: value for stage in stages for name, value in stage.fields.items()},
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
