"""Quantising the linear layers of one block."""

import torch
from torch import Tensor

from worker.pruning.base.errors import SolverFailedError
from worker.pruning.base.masking import count_zeros
from worker.pruning.base.memory import trim_heap
from worker.pruning.methods.target import Target
from worker.pruning.model.fused_projections import WHOLE
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.quantization.rounding import round_weights
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.stats.gradient_norms import NO_GRADIENTS
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.sweep.results import QuantizedLayer
from worker.pruning.sweep.sampled_rows import SampledRows

_NOT_REACHED = "no calibration tokens reached this layer"


class BlockQuantizer:
    """Quantises the pruned layers of one block in place.

    Rows of a matrix are rounded independently of each other, so that the parts of a fused matrix
    are rounded together.

    Args:
        name: the block's name, for errors.
        stored: the block's parameters in their stored dtype; quantised in place.
        scheme: how the weights are quantised.

    Attributes:
        results: one result for each matrix.
        matrices: the quantised matrices, by the names of their parameters in the block.
    """

    def __init__(self, name: str, stored: dict[str, Tensor], scheme: Scheme) -> None:
        self.results: list[QuantizedLayer] = []
        self.matrices: dict[str, QuantizedMatrix] = {}
        self._name, self._stored, self._scheme = name, stored, scheme

    def quantize_layer(self, layer: LinearLayer, moments: GramMoments) -> None:
        """Round the kept weights of a layer; its zeros stay zeros.

        If no tokens reached the layer, or if their Gram matrix cannot be factorized, each weight is
        rounded to the nearest value, and the result gives the reason.

        Raises:
            NotFiniteError: the layer's inputs contain NaN or infinity.
        """
        trim_heap()
        parameter = self._stored[layer.weight_name]
        target = Target(self._name, layer, WHOLE, parameter, NO_GRADIENTS)
        sample = SampledRows(target)
        rounded, fallback = self._rounded(target.weight, moments)
        matrix = rounded.to(parameter.device)
        outputs, inputs = matrix.integers.shape
        target.replace(matrix.weights())
        self.matrices[layer.weight_name] = matrix
        self.results.append(
            QuantizedLayer(
                name=layer.weight_name,
                zeros=count_zeros(target.stored),
                weights=target.stored.numel(),
                bytes=self._scheme.packed_bytes(outputs, inputs, parameter.itemsize),
                scale_min=float(matrix.scales.min()),
                scale_max=float(matrix.scales.max()),
                error=sample.error(moments),
                fallback=fallback,
            )
        )

    def _rounded(self, weight: Tensor, moments: GramMoments) -> tuple[QuantizedMatrix, str | None]:
        """Return the quantised weight, and the reason if it was rounded to the nearest values."""
        reason = _NOT_REACHED
        if moments.tokens:
            try:
                return round_weights(weight, moments.gram(), self._scheme), None
            except SolverFailedError as error:
                reason = str(error)
        uncorrelated = Gram(torch.eye(weight.shape[1], device=weight.device))
        matrix = round_weights(weight, uncorrelated, self._scheme)
        return matrix, f"rounded to the nearest values: {reason}"
