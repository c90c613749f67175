"""The amounts of work in pruning one layer."""

from worker.pruning.base.shapes import LayerShape

MASK_BYTES = 60
"""Bytes read and written per weight to choose a mask: partition, two comparisons, two maskings."""
INVERSE = 4 / 3
"""Operations of a factorization and of inverting its factor, in multiples of in³."""


def product(layer: LayerShape) -> float:
    """Return how many operations it takes to multiply the weight by a matrix ``[in, in]``."""
    return 2.0 * layer.weights * layer.inputs


def cube(layer: LayerShape) -> float:
    """Return in³ for the first of the layers that share an input, 0 for the others."""
    return 0.0 if layer.shares_input else float(layer.inputs) ** 3
