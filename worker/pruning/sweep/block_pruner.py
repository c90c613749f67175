"""Pruning the linear layers of one block."""

from collections.abc import Callable, Mapping
from typing import Any, Generic

from torch import Tensor
from transformers import PretrainedConfig

from worker.pruning.base.errors import SolverFailedError
from worker.pruning.base.masking import count_zeros
from worker.pruning.base.memory import trim_heap
from worker.pruning.calibration.collectors import Collector, M
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.methods.few_tokens import FEWEST_TO_REPAIR, FEWEST_TO_SCORE, reached
from worker.pruning.methods.registry import MAGNITUDE
from worker.pruning.methods.strategies import ScoreMask, Strategy
from worker.pruning.methods.target import Target
from worker.pruning.model.fused_projections import Part, has_unknown_layout, layer_parts
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.gradient_norms import NO_GRADIENTS, BlockGradients
from worker.pruning.sweep.results import LayerResult, RemovedUnits
from worker.pruning.sweep.sampled_rows import SampledRows

# From this size on, it is worth returning the memory that the forward has freed before scoring.
_LARGE_BYTES = 4 << 20
_UNKNOWN_LAYOUT = "fused in a layout that is not known: its parts compete with each other"


class BlockPruner(Generic[M]):
    """Prunes the layers of one block in place.

    Args:
        name: the block's name, for errors.
        stored: the block's parameters in their stored dtype; pruned in place.
        strategy: how to prune each matrix.
        config: the model's config, for the layout of fused projections.
        gradients: the norms of the stored weights' gradients, for a scorer that uses them.
        own: the strategies of matrices that have their own pattern, keyed by `Target.matrix`; they
            use the same moments as ``strategy``.
        holds_zeros: whether weights that are zero stay zero, because an earlier increment has
            pruned them.
        dense: the parameters of the dense block, if an earlier increment has pruned the block and
            a correction takes them; None otherwise.

    Attributes:
        results: one result for each pruned matrix; each part of a fused matrix has its own.
        removed: empty; all units stay.
    """

    def __init__(
        self,
        name: str,
        stored: dict[str, Tensor],
        strategy: Strategy[M],
        config: PretrainedConfig,
        gradients: BlockGradients = NO_GRADIENTS,
        own: Mapping[str, Strategy[M]] | None = None,
        *,
        holds_zeros: bool = False,
        dense: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.strategy = strategy
        self.results: list[LayerResult] = []
        self.removed: list[RemovedUnits] = []
        self._name, self._stored, self._config = name, stored, config
        self._gradients, self._own = gradients, own or {}
        self._holds_zeros, self._dense = holds_zeros, dense or {}

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[M]:
        """Return a collector of the moments that the strategy takes."""
        return self.strategy.collector(dense_block)

    def sizes(self) -> dict[str, int]:
        """Return how many entries each parameter of the block has."""
        return {name: value.numel() for name, value in self._stored.items()}

    def prune_layer(self, layer: LinearLayer, moments: M) -> None:
        """Prune one layer; the parts of a fused layer are pruned separately.

        If too few tokens reach the layer for a score, it is pruned by magnitude. If too few reach
        it for a solver, or if the solver fails, the mask is chosen by score and the kept weights do
        not change. In each of these cases, the result gives the reason.

        Raises:
            NotFiniteError: the layer's weight, or its inputs, contain NaN or infinity.
        """
        parameter = self._stored[layer.weight_name]
        if layer.oriented(parameter).nbytes >= _LARGE_BYTES:
            trim_heap()
        for part in layer_parts(layer, self._config):
            target = self._target(layer, part)
            sample = SampledRows(target)
            fields = self._prune(target, moments)
            result = LayerResult(
                name=layer.weight_name,
                expert=layer.expert,
                part=part.name,
                zeros=count_zeros(target.stored),
                weights=target.stored.numel(),
                tokens=moments.tokens,
                damping=self.strategy.damping(moments),
                error=sample.error(moments),
                histogram=None if layer.is_routed else sample.histogram(),
                **fields,
            )
            self.results.append(result)

    def _target(self, layer: LinearLayer, part: Part) -> Target:
        name = layer.weight_name
        holds, dense = self._holds_zeros, self._dense.get(name)
        return Target(self._name, layer, part, self._stored[name], self._gradients, holds, dense)

    def _prune(self, target: Target, moments: M) -> Mapping[str, Any]:
        """Prune the target; return further fields of its result, by name."""
        strategy = self._own.get(target.matrix, self.strategy)
        if strategy.takes_any_moments:
            return strategy.prune(target, moments) or {}
        return {"fallback": self._prune_or_fall_back(strategy, target, moments)}

    def _prune_or_fall_back(self, strategy: Strategy[M], target: Target, moments: M) -> str | None:
        """Prune the target; if it was not pruned exactly as requested, return the reason."""
        layer, tokens = target.layer, moments.tokens
        to_score = FEWEST_TO_SCORE if layer.is_routed else 1
        if tokens < to_score:
            ScoreMask(MAGNITUDE, strategy.selection).prune(target, moments)
            return f"{reached(tokens, to_score)}: pruned by magnitude"
        by_score = strategy.fallback
        to_repair = FEWEST_TO_REPAIR * layer.inputs if layer.is_routed else 0
        if by_score is not None and tokens < to_repair:
            by_score.prune(target, moments)
            return f"{reached(tokens, to_repair)}: pruned by score, without repair"
        try:
            strategy.prune(target, moments)
        except SolverFailedError as error:
            if by_score is None:
                raise
            by_score.prune(target, moments)
            return str(error)
        return _UNKNOWN_LAYOUT if has_unknown_layout(layer, self._config) else None
