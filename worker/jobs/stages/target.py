"""The target of a job: the size of its result, as it was planned."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from db.spec.options.target import TargetSpec
from worker.jobs.opened_job import OpenedJob
from worker.jobs.recipes import last_increment, recipe_at
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.jobs.target.result_size import ResultSize


@dataclass(frozen=True)
class TargetStage(Stage):
    """The target of a job; ``size`` is what it limits, and ``chosen`` the fields that meet it."""

    part = "target"
    target: TargetSpec
    size: int
    chosen: dict[str, Any]

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        if (target := job.spec.target) is None:
            return None
        recipe = recipe_at(job.recipe, last_increment(job.spec))
        chosen = job.spec.model_dump(include={"ratio", "experts"}, exclude_none=True)
        return cls(target, ResultSize(job.meta_model, recipe).of(target), chosen)

    def results(self, model: WrittenModel) -> Measured:
        """Return the size of the result beside what it may be."""
        measured = {"size": self.size, "limit": self.target.limit}
        return Measured({self.part: measured}, {"chosen": self.chosen})

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        [(name, value)] = part["chosen"].items()
        yield (
            f"{name} {value:.6g} chosen for a target of at most {measured['limit']:,}, which is "
            f"met with {measured['size']:,}"
        )
