"""The quantisation of a job: what its matrices take, and how config.json describes them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from worker.jobs.opened_job import OpenedJob
from worker.pruning.quantization.config_entry import config_entry
from worker.pruning.quantization.layers import unquantized_layers
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.sweep.results import BlockResult, QuantizedLayer


@dataclass(frozen=True)
class MeasuredQuantization:
    """The quantised matrices of a job.

    Attributes:
        scheme: how they are quantised.
        config: the entry of the result's config.json.
        layers: the results of the matrices.
    """

    scheme: Scheme
    config: dict[str, Any]
    layers: Sequence[QuantizedLayer]

    def metrics(self) -> dict[str, Any]:
        """Return the metrics under ``quantization``.

        ``error`` is the root mean square of the matrices' relative errors, without those of
        matrices that no token reached.
        """
        size = sum(one.bytes for one in self.layers)
        weights = sum(one.weights for one in self.layers)
        squares = [one.error**2 for one in self.layers if one.error is not None]
        measured = {
            "bits": self.scheme.bits,
            "group_size": self.scheme.group_size,
            "bytes": size,
            "bits_per_weight": 8 * size / weights,
            "error": math.sqrt(sum(squares) / len(squares)) if squares else None,
            "fallbacks": sum(one.fallback is not None for one in self.layers),
        }
        return {"quantization": measured}

    def report(self) -> dict[str, Any]:
        """Return the scheme, and the entry of config.json."""
        return asdict(self.scheme) | {"config": self.config}


def measured_quantization(
    job: OpenedJob, blocks: Sequence[BlockResult]
) -> MeasuredQuantization | None:
    """Return the quantisation of a job with these blocks; None if it does not quantise."""
    if job.scheme is None:
        return None
    layers = job.recipe.all_rounded_layers(job.meta_model)
    entry = config_entry(job.scheme, unquantized_layers(job.meta_model.model, layers))
    results = [layer for block in blocks for layer in block.quantized]
    return MeasuredQuantization(job.scheme, entry, results)
