"""The amounts of work that pruning one layer consists of."""

from worker.pruning.base.shapes import LayerShape

MASK_BYTES = 60
"""Bytes per weight of choosing a mask: a partition, two comparisons, masking both copies."""
INVERSE = 4 / 3
"""Operations per in³: a factorization, and the inverse of the factor."""


def product(layer: LayerShape) -> float:
    """Return the operations of the weight times a matrix ``[in, in]``."""
    return 2.0 * layer.weights * layer.inputs


def cube(layer: LayerShape) -> float:
    """Return in³ for the first of the layers that share an input, 0 for the others."""
    return 0.0 if layer.shares_input else float(layer.inputs) ** 3
