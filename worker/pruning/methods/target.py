"""A matrix that is to be pruned."""

from dataclasses import dataclass

from torch import Tensor

from worker.pruning.base.masking import apply_mask_
from worker.pruning.methods.selection import HeldZeros, Selection
from worker.pruning.model.fused_projections import Part, matrix_name
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.gradient_norms import BlockGradients


@dataclass(frozen=True)
class Target:
    """A layer, or a part of a fused layer, that is pruned, with both copies of its weight.

    The stored weight is scored and saved, in its own dtype. The weight that the forward uses gets
    the same values.

    Attributes:
        block: name of the block, for errors.
        part: the rows of the layer that are the target.
        parameter: the stored parameter of the layer.
        gradients: the norms of the gradients of the block's weights.
        holds_zeros: whether weights that are zero stay zero, because an earlier increment has
            pruned them.
        dense_parameter: the stored parameter of the dense model's layer; None if the layer has not
            been pruned before, or if nothing takes it.
    """

    block: str
    layer: LinearLayer
    part: Part
    parameter: Tensor
    gradients: BlockGradients
    holds_zeros: bool = False
    dense_parameter: Tensor | None = None

    @property
    def name(self) -> str:
        """Dotted path of the layer in the model."""
        return f"{self.block}.{self.layer.name}"

    @property
    def matrix(self) -> str:
        """Name of the matrix in its block."""
        return matrix_name(self.layer, self.part)

    @property
    def stored(self) -> Tensor:
        """The stored weight, ``[out, in]``."""
        return self.part.of(self.layer.oriented(self.parameter))

    @property
    def weight(self) -> Tensor:
        """The stored weight on the device that computes, ``[out, in]``."""
        used = self.layer.weight
        if used.device != self.parameter.device and used.dtype == self.parameter.dtype:
            return self.part.of(self.layer.oriented(used))  # the same numbers, already there
        return self.stored.to(used.device)

    @property
    def dense(self) -> Tensor | None:
        """The dense model's weight on the device that computes, ``[out, in]`` fp32."""
        if self.dense_parameter is None:
            return None
        dense = self.part.of(self.layer.oriented(self.dense_parameter))
        return dense.to(self.layer.weight.device).float()

    def selection(self, requested: Selection) -> Selection:
        """Return the selection for this target, which never keeps the zeros that it holds."""
        return HeldZeros(requested, self.weight == 0) if self.holds_zeros else requested

    def gradient(self, tokens: int) -> Tensor:
        """Return the gradient norms that `scores.gblm` takes, on the device that computes.

        In the published score, the norms of gradients and inputs are taken over windows. Here an
        input's norm is the square root of its mean square over tokens, so the gradient's norm is
        divided by the square root of the number of tokens per window; for an expert, only the
        tokens that reached it count.

        Args:
            tokens: number of calibration tokens that reached the layer.

        Returns:
            ``[out, in]`` fp32.
        """
        norm = self.part.of(self.layer.oriented(self.gradients.norms[self.layer.weight_name]))
        divisor: float = (tokens / self.gradients.windows) ** 0.5
        return norm.to(self.layer.weight.device) / divisor

    def zero(self, keep: Tensor) -> None:
        """Zero the weights where ``keep [out, in]``, bool, is False; leave the others unchanged."""
        for parameter in (self.parameter, self.layer.weight):
            matrix = self.layer.oriented(parameter)
            rows = self.part.of(matrix)
            apply_mask_(rows, keep.to(parameter.device))
            self.part.write(matrix, rows)

    def replace(self, weight: Tensor) -> None:
        """Replace the weight by another ``[out, in]``, in any float dtype."""
        values = weight.to(self.parameter.device, self.parameter.dtype)
        self.part.write(self.layer.oriented(self.parameter), values)
        self.layer.copy_from(self.parameter)
