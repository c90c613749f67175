"""The layout of matrices in one parameter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PretrainedConfig

from worker.pruning.model.fused_projections import Part, layer_parts
from worker.pruning.model.linear_layers import LinearLayer


@dataclass(frozen=True)
class MatrixLayout:
    """How matrices ``[out, in]`` are stored in a parameter.

    The parameter is one matrix, perhaps transposed, or a stack of the matrices of many experts.

    Attributes:
        layers: the layers of a block that use the parameter, one for each matrix.
        config: the model's config, for the layout of fused projections.
    """

    layers: Sequence[LinearLayer]
    config: PretrainedConfig

    def oriented(self, stored: Tensor) -> Tensor:
        """Return a view ``[matrices, out, in]`` of a tensor that has the parameter's layout."""
        stack = stored[None] if self.layers[0].expert is None else stored
        return stack.mT if self.layers[0].transposed else stack

    def stored(self, oriented: Tensor) -> Tensor:
        """Return a tensor ``[matrices, out, in]`` viewed in the parameter's layout."""
        stack = oriented.mT if self.layers[0].transposed else oriented
        return stack[0] if self.layers[0].expert is None else stack

    def parts(self) -> Iterator[tuple[LinearLayer, Part]]:
        """Yield each layer with each part of its matrix; each part has a mask of its own."""
        for layer in self.layers:
            for part in layer_parts(layer, self.config):
                yield layer, part
