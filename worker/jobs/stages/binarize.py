"""The binarisation of a job: how many bits its weights take, part by part."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from worker.jobs.opened_job import OpenedJob
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.pruning.binarization.binarizing import Binarizing
from worker.pruning.binarization.settings import Binarization
from worker.pruning.sweep.results import LayerResult

_COUNTS = ("mask_bits", "sign_bits", "second_sign_bits", "scale_bits", "index_bits")


@dataclass(frozen=True)
class BinarizeStage(Stage):
    """The binarisation of a job; ``settings`` are how matrices are binarised."""

    part = "binarization"
    settings: Binarization

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        own = job.recipe.own
        return cls(own.settings) if isinstance(own, Binarizing) else None

    def results(self, model: WrittenModel) -> Measured:
        """Return metrics per weight, the settings, and how many of eight each block keeps."""
        layers = [layer for block in model.blocks for layer in block.layers]
        counts = [count for layer in layers if (count := layer.binarized) is not None]
        weights = sum(layer.weights for layer in layers)
        measured = {
            "kept": sum(_kept(layer) * layer.weights for layer in layers) / weights,
            "bits_per_weight": sum(count.total for count in counts) / weights,
        }
        for name in _COUNTS:
            measured[f"{name}_per_weight"] = sum(getattr(count, name) for count in counts) / weights
        kept = [_kept(block.layers[0]) if block.layers else None for block in model.blocks]
        report = asdict(self.settings) | {"kept_of_blocks": kept}
        return Measured({self.part: measured}, report)

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        yield (
            f"of each 8 neighbours of a row {part['low']} to {part['high']} kept, in the mean "
            f"{measured['kept']:.2f}; the kept ones take two values for each {part['group_size']} "
            f"neighbours, and four in {100 * part['salient']:g} % of the columns"
        )
        signs = measured["sign_bits_per_weight"] + measured["second_sign_bits_per_weight"]
        yield (
            f"{measured['bits_per_weight']:.2f} bits per weight of these layers in a format that "
            f"would store them as such: mask {measured['mask_bits_per_weight']:.2f}, signs "
            f"{signs:.2f}, values {measured['scale_bits_per_weight']:.2f}; the files here are as "
            "large as the dense ones"
        )


def _kept(layer: LayerResult) -> int:
    return layer.binarized.kept_of_eight if layer.binarized else 0
