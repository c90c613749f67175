"""Binarising the linear layers of one block."""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PretrainedConfig

from worker.pruning.base.errors import SolverFailedError
from worker.pruning.base.masking import count_zeros
from worker.pruning.base.memory import trim_heap
from worker.pruning.binarization.binarize import BinarizedMatrix, binarize
from worker.pruning.binarization.bits import count_bits
from worker.pruning.binarization.settings import Binarization
from worker.pruning.calibration.collectors import Collector, InputCollector
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.methods.few_tokens import FEWEST_TO_REPAIR, reached
from worker.pruning.methods.patterns import NofM
from worker.pruning.methods.target import Target
from worker.pruning.model.fused_projections import layer_parts
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.gradient_norms import NO_GRADIENTS
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.sweep.results import LayerResult, RemovedUnits
from worker.pruning.sweep.sampled_rows import SampledRows


class BlockBinarizer:
    """Prunes and binarises the layers of one block in place.

    Args:
        name: the block's name, for errors.
        stored: the block's parameters in their stored dtype; binarised in place.
        settings: how they are binarised.
        pattern: how many of each eight neighbours are kept.
        config: the model's config, for the layout of fused projections.

    Attributes:
        results: one result for each matrix; each part of a fused matrix has its own.
        removed: empty; all units stay.
    """

    def __init__(
        self,
        name: str,
        stored: dict[str, Tensor],
        settings: Binarization,
        pattern: NofM,
        config: PretrainedConfig,
    ) -> None:
        self.results: list[LayerResult] = []
        self.removed: list[RemovedUnits] = []
        self._name, self._stored, self._config = name, stored, config
        self._settings, self._pattern = settings, pattern

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[GramMoments]:
        """Return a collector of the inputs' Gram matrices."""
        return InputCollector(GramMoments)

    def sizes(self) -> dict[str, int]:
        """Return how many entries each parameter of the block has."""
        return {name: value.numel() for name, value in self._stored.items()}

    def prune_layer(self, layer: LinearLayer, moments: GramMoments) -> None:
        """Prune and binarise one layer; the parts of a fused layer are binarised separately.

        If too few tokens reach the layer, or if their Gram matrix cannot be factorized, the inputs
        are taken to be uncorrelated and equally large, and the result gives the reason.

        Raises:
            NotFiniteError: the layer's inputs contain NaN or infinity.
        """
        trim_heap()
        parameter = self._stored[layer.weight_name]
        for part in layer_parts(layer, self._config):
            target = Target(self._name, layer, part, parameter, NO_GRADIENTS)
            sample = SampledRows(target)
            matrix, fallback = self._binarized(target, moments)
            target.replace(matrix.values)
            scale_bits = 8 * parameter.itemsize
            kept, settings = self._pattern.n, self._settings
            result = LayerResult(
                name=layer.weight_name,
                expert=layer.expert,
                part=part.name,
                zeros=count_zeros(target.stored),
                weights=target.stored.numel(),
                tokens=moments.tokens,
                fallback=fallback,
                damping=moments.damping,
                error=sample.error(moments),
                histogram=None if layer.is_routed else sample.histogram(),
                binarized=count_bits(matrix.keep, matrix.salient, kept, settings, scale_bits),
            )
            self.results.append(result)

    def _binarized(
        self, target: Target, moments: GramMoments
    ) -> tuple[BinarizedMatrix, str | None]:
        """Return the binarised weight, and the reason if it was not binarised as requested."""
        layer, weight = target.layer, target.weight
        fewest = FEWEST_TO_REPAIR * layer.inputs if layer.is_routed else 1
        reason = reached(moments.tokens, fewest)
        if moments.tokens >= fewest:
            try:
                return binarize(weight, moments.gram(), self._pattern, self._settings), None
            except SolverFailedError as error:
                reason = str(error)
        uncorrelated = Gram(torch.eye(layer.inputs, device=weight.device))
        matrix = binarize(weight, uncorrelated, self._pattern, self._settings)
        return matrix, f"binarised without its inputs: {reason}"
