"""The rotated model of a job: it is written first, and pruned in place of the model."""

import shutil
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch

from db.core.states import Phase
from worker.evaluation.perplexity import token_loss
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.pruning.base.generators import mapped
from worker.pruning.base.names import ROTATED_FOLDER
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import CONFIG
from worker.pruning.sweep.fingerprint import fingerprint
from worker.pruning.sweep.quantization.quantizing import quantized_layers
from worker.pruning.sweep.rotation.rotated_model import ModelRotator
from worker.pruning.sweep.rotation.rotating import Rotating

_PROGRESS = JobProgress(Phase.loading, 0.015)


@dataclass(frozen=True)
class RotateStage(Stage):
    """The rotation of a job's model, whose sweep prunes the rotated one.

    Attributes:
        job: the job; after `prepare` with the rotated model in place of its own.
        choices: which rotations were used, and the errors of rounding with and without them.
    """

    part = "rotation"
    job: OpenedJob
    choices: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        return cls(job) if job.recipe.stage(Rotating) and job.scheme is not None else None

    def prepare(self, out: Path) -> Generator[JobProgress, None, Self]:
        """Rotate the model, into a folder in ``out``; yield progress after each block.

        Raises:
            RotationError: the model is built in a way that cannot be rotated.
        """
        job, folder = self.job, out / ROTATED_FOLDER
        folder.mkdir(exist_ok=True)
        choices = yield from mapped(_steps(job, folder), lambda _: [_PROGRESS])
        rotated = MetaModel.open(folder, job.meta_model.dtype, job.meta_model.device)
        job = replace(job, model=replace(job.model, path=folder), meta_model=rotated)
        return replace(self, job=job, choices=choices)

    def swept(self, job: OpenedJob) -> OpenedJob:
        return self.job

    def results(self, model: WrittenModel) -> Measured:
        """Return the numbers of rotations that were used, and all choices."""
        values = [int(choice["is_rotated"]) for choice in self.choices["values"]]
        residual = int(self.choices["residual"]["is_rotated"])
        counts = {"residual": residual, "values": sum(values), "blocks": len(values)}
        return Measured({self.part: counts}, self.choices)

    def complete(self, out: Path) -> tuple[str, ...]:
        shutil.copyfile(self.job.model.path / CONFIG, out / CONFIG)
        return (CONFIG,)

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        residual = "" if measured["residual"] else "not "
        yield (
            f"before that, the residual stream {residual}rotated, and the values of attention in "
            f"{measured['values']} of {measured['blocks']} blocks, wherever this made the errors "
            "of rounding smaller: [RoSTE](https://arxiv.org/abs/2502.09003); norms have no gain "
            "any more"
        )


def _steps(job: OpenedJob, folder: Path) -> Generator[Any, None, dict[str, Any]]:
    """Write the rotated model of a job into a folder."""
    if job.scheme is None:
        raise ValueError("the job does not quantise")
    exact = MetaModel.open(job.model.path, torch.float32, job.meta_model.device)
    layers = {f"{name}.{layer.name}" for name, layer in quantized_layers(job.recipe, exact)}
    rotator = ModelRotator(exact, job.scheme, layers, job.spec.seed)
    ids = job.windows.calibration.ids
    basis = fingerprint(exact, job.recipe, ids, ids[:0], token_loss) | {"seed": job.spec.seed}
    return rotator.write(job.model.path, folder, ids, basis)
