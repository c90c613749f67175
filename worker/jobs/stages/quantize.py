"""The quantisation of a job: the size of its matrices, and their description in config.json."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from worker.jobs.opened_job import OpenedJob
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.pruning.quantization.config_entry import config_entry
from worker.pruning.quantization.layers import unquantized_layers
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.sweep.quantization.quantizing import quantized_layers


@dataclass(frozen=True)
class QuantizeStage(Stage):
    """The quantisation of a job; ``scheme`` is how its matrices are quantised."""

    part = "quantization"
    job: OpenedJob
    scheme: Scheme

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        return None if job.scheme is None else cls(job, job.scheme)

    def results(self, model: WrittenModel) -> Measured:
        """Return the metrics, the scheme, and the entry of config.json.

        ``error`` is the root mean square of the matrices' relative errors, without those of
        matrices that no token reached.
        """
        layers = [layer for block in model.blocks for layer in block.quantized]
        size = sum(layer.bytes for layer in layers)
        squares = [layer.error**2 for layer in layers if layer.error is not None]
        measured = {
            "bits": self.scheme.bits,
            "group_size": self.scheme.group_size,
            "bytes": size,
            "bits_per_weight": 8 * size / sum(layer.weights for layer in layers),
            "error": math.sqrt(sum(squares) / len(squares)) if squares else None,
            "fallbacks": sum(layer.fallback is not None for layer in layers),
        }
        report = asdict(self.scheme) | {"config": self.config_entry()}
        return Measured({self.part: measured}, report)

    def config_entry(self) -> dict[str, Any]:
        model = self.job.meta_model
        others = unquantized_layers(model.model, quantized_layers(self.job.recipe, model))
        return config_entry(self.scheme, others)

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        yield (
            f"kept weights rounded to {part['bits']} bits, with a scale for each "
            f"{part['group_size']} neighbours of a row, by "
            "[GPTQ](https://arxiv.org/abs/2210.17323) with held zeros"
        )
        yield f"{measured['bits_per_weight']:.2f} bits per weight of these layers, scales included"
