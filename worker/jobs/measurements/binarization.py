"""The binarisation of a job: how many bits its weights take, part by part."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from worker.jobs.opened_job import OpenedJob
from worker.pruning.binarization.settings import Binarization
from worker.pruning.sweep.results import BlockResult, LayerResult


@dataclass(frozen=True)
class MeasuredBinarization:
    """The binarised matrices of a job.

    Attributes:
        settings: how they are binarised.
        blocks: the results of the blocks.
    """

    settings: Binarization
    blocks: Sequence[BlockResult]

    def metrics(self) -> dict[str, Any]:
        """Return the metrics under ``binarization``, all per weight of the binarised matrices."""
        layers = [layer for block in self.blocks for layer in block.layers]
        counts = [one for layer in layers if (one := layer.binarized) is not None]
        weights = sum(layer.weights for layer in layers)
        measured = {
            "kept": sum(_kept(layer) * layer.weights for layer in layers) / weights,
            "bits_per_weight": sum(one.total for one in counts) / weights,
            "mask_bits_per_weight": sum(one.mask_bits for one in counts) / weights,
            "sign_bits_per_weight": sum(one.sign_bits for one in counts) / weights,
            "second_sign_bits_per_weight": sum(one.second_sign_bits for one in counts) / weights,
            "scale_bits_per_weight": sum(one.scale_bits for one in counts) / weights,
            "index_bits_per_weight": sum(one.index_bits for one in counts) / weights,
        }
        return {"binarization": measured}

    def report(self) -> dict[str, Any]:
        """Return the settings, and how many of each eight neighbours each block keeps."""
        kept = [_kept(block.layers[0]) if block.layers else None for block in self.blocks]
        return asdict(self.settings) | {"kept_of_blocks": kept}


def _kept(layer: LayerResult) -> int:
    return layer.binarized.kept_of_eight if layer.binarized else 0


def measured_binarization(
    job: OpenedJob, blocks: Sequence[BlockResult]
) -> MeasuredBinarization | None:
    """Return the binarisation of a job with these blocks; None if it does not binarise."""
    if job.recipe.binarization is None:
        return None
    return MeasuredBinarization(job.recipe.binarization, blocks)
