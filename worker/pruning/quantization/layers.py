"""The layers of a model that are quantised, and whether they can be."""

from collections.abc import Iterable, Sequence

from torch import nn
from transformers import PreTrainedModel

from worker.pruning.base.errors import QuantizationError
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.weights import Weights

NamedLayer = tuple[str, LinearLayer]
"""The name of a layer's block, and the layer."""


def check_layers(layers: Iterable[NamedLayer], weights: Weights) -> None:
    """Check that each layer can be stored as a quantised ``nn.Linear``.

    Raises:
        QuantizationError: a layer is none, or is stored in another form than in the model.
    """
    for block, layer in layers:
        if (reason := _obstacle(block, layer, weights)) is not None:
            raise QuantizationError(
                f"{block}.{layer.name} cannot be quantised, because {reason}",
                "skip it, or leave quantize out",
            )


def _obstacle(block: str, layer: LinearLayer, weights: Weights) -> str | None:
    if layer.expert is not None:
        return "one parameter holds the weights of many experts"
    if layer.transposed:
        return "its weight is stored transposed (Conv1D)"
    stored = weights.stored_name(f"{block}.{layer.weight_name}")
    if stored is None:
        return "its weight is stored in several tensors"
    if not stored.endswith("weight"):
        return f"its weight is stored as {stored!r}"
    return None


def unquantized_layers(model: PreTrainedModel, layers: Sequence[NamedLayer]) -> list[str]:
    """Return the names of the model's linear layers that are not among ``layers``."""
    quantized = {f"{block}.{layer.name}" for block, layer in layers}
    linear = (name for name, module in model.named_modules() if isinstance(module, nn.Linear))
    return [name for name in linear if name not in quantized]
