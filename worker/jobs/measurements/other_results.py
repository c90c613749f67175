"""The results of a job besides its perplexities, as metrics and for the report."""

from dataclasses import dataclass
from typing import Any

from worker.benchmark.comparison import Comparison
from worker.jobs.measurements.binarization import MeasuredBinarization
from worker.jobs.measurements.quantization import MeasuredQuantization
from worker.jobs.ranking.results import MeasuredRanking
from worker.jobs.tasks.measured import MeasuredTasks
from worker.jobs.written.rotated import RotatedJob
from worker.jobs.written.weights import WrittenWeights


@dataclass(frozen=True)
class OtherResults:
    """What a job has measured besides perplexity; None for what it did not measure."""

    weights: WrittenWeights
    quantization: MeasuredQuantization | None
    binarization: MeasuredBinarization | None
    rotation: RotatedJob | None
    tasks: MeasuredTasks | None
    ranking: MeasuredRanking | None
    texts: list[dict[str, Any]] | None
    speed: Comparison | None

    def metrics(self) -> dict[str, Any]:
        """Return the metrics by name."""
        formats = (self.quantization, self.binarization, self.rotation)
        parts = (self.weights, *formats, self.tasks, self.ranking, self.speed)
        measured = [one.metrics() for one in parts if one is not None]
        return {name: value for metrics in measured for name, value in metrics.items()}

    def report(self) -> dict[str, Any]:
        """Return the parts of the report."""
        parts = {
            "certificate": self.weights.report(),
            "quantization": self.quantization and self.quantization.report(),
            "binarization": self.binarization and self.binarization.report(),
            "rotation": self.rotation and self.rotation.report(),
            "tasks": self.tasks and self.tasks.report(),
            "ranking": self.ranking and self.ranking.report(),
            "generation": self.texts,
            "benchmark": self.speed and self.speed.report(),
        }
        return {name: part for name, part in parts.items() if part is not None}
