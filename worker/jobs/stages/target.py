"""The target of a job: the size of its result, as it was planned."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from db.spec.options.target import TargetSpec
from worker.jobs.opened_job import OpenedJob
from worker.jobs.recipes import last_increment, recipe_at
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.jobs.target.result_size import ResultSize


@dataclass(frozen=True)
class TargetStage(Stage):
    """The target of a job.

    Attributes:
        target: what is limited.
        size: what it limits, of the result.
        chosen: the field that says how much is removed, with its value.
        compared: what was measured of each method; empty if none were compared.
    """

    part = "target"
    target: TargetSpec
    size: int
    chosen: dict[str, Any]
    compared: Mapping[str, Any]

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        if (target := job.spec.target) is None:
            return None
        recipe = recipe_at(job.recipe, last_increment(job.spec))
        size = ResultSize(job.meta_model, recipe).of(target)
        return cls(target, size, job.chosen, job.compared)

    def results(self, model: WrittenModel) -> Measured:
        """Return the size of the result beside what it may be, and what was compared."""
        measured: dict[str, Any] = {"size": self.size, "limit": self.target.limit}
        if self.compared:
            measured["candidates"] = dict(self.compared)
        return Measured({self.part: measured}, {"chosen": self.chosen})

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        [(name, value)] = part["chosen"].items()
        yield (
            f"{name} {value:.6g} chosen for a target of at most {measured['limit']:,}, which is "
            f"met with {measured['size']:,}"
        )
        if compared := measured.get("candidates"):
            figures = (f"{name} {own['perplexity']:.4g}" for name, own in compared.items())
            yield f"the best of several methods of this size, by perplexity: {', '.join(figures)}"
