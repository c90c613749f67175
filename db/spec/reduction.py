"""The one figure of how much a job has reduced its model, whichever its method."""

from collections.abc import Mapping
from typing import Any

from db.spec.quality_gate import metric_value

DENSE_BITS = 16
"""How many bits a weight of a dense model takes, for the comparison with fewer bits."""


def reduction(metrics: Mapping[str, Any]) -> float | None:
    """Return the share of the dense model that a job has saved; None if it is unknown.

    It is ``1 - (1 - removed) (1 - zeros) bits / 16``: with the share of the parameters that were
    removed, the share of zeros in what was pruned, and the bits per rounded weight. Bits per
    binarised weight leave out the zeros already.
    """
    removed, zeros = removed_share(metrics), metric_value(metrics, "sparsity")
    if removed is None and zeros is None:
        return None
    if (bits := metric_value(metrics, "binarization.bits_per_weight")) is not None:
        zeros = 1 - bits / DENSE_BITS
    saved = 0.0
    quantized = metric_value(metrics, "quantization.bits_per_weight")
    rounded = None if quantized is None else 1 - quantized / DENSE_BITS
    for share in (removed, zeros, rounded):
        saved += (share or 0.0) * (1 - saved)
    return saved


def removed_share(metrics: Mapping[str, Any]) -> float | None:
    """Return the share of the dense model's parameters that were removed; None if none were."""
    left = metric_value(metrics, "parameters")
    removed = metric_value(metrics, "parameters_removed")
    return removed / (left + removed) if left is not None and removed else None
