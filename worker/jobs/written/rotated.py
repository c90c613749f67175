"""The rotated model of a job: it is written first, and pruned in place of the model."""

import shutil
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from db.core.states import Phase
from worker.evaluation.perplexity import token_loss
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.pruning.base.generators import mapped
from worker.pruning.base.names import ROTATED_FOLDER
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import CONFIG
from worker.pruning.sweep.fingerprint import fingerprint
from worker.pruning.sweep.rotating.rotated_model import ModelRotator

_FRACTION = 0.015
"""The share of the job's work that is done before the rotation."""


@dataclass(frozen=True)
class RotatedJob:
    """A job whose sweep prunes the rotated model.

    Attributes:
        job: the job, with the rotated model in place of its own.
        choices: which rotations were used, and the errors of rounding with and without them.
    """

    job: OpenedJob
    choices: dict[str, Any]

    def metrics(self) -> dict[str, Any]:
        """Return the numbers of rotations that were used, by name."""
        values = [int(one["is_rotated"]) for one in self.choices["values"]]
        residual = int(self.choices["residual"]["is_rotated"])
        return {"rotation": {"residual": residual, "values": sum(values), "blocks": len(values)}}

    def report(self) -> dict[str, Any]:
        """Return the part of the report."""
        return self.choices

    def copy_config(self, out: Path) -> None:
        """Add the rotated model's ``config.json`` to ``out``."""
        shutil.copyfile(self.job.model.path / CONFIG, out / CONFIG)


def rotated_job(job: OpenedJob, out: Path) -> Generator[JobProgress, None, RotatedJob | None]:
    """Rotate the model of a job; return None if the job does not rotate.

    Args:
        job: the job.
        out: the folder of the result; the rotated model is written into a folder inside it.

    Yields:
        Progress after each block, where the job may be interrupted.

    Raises:
        RotationError: the model is built in a way that cannot be rotated.
    """
    if not job.recipe.rotates or job.scheme is None:
        return None
    folder, source, device = out / ROTATED_FOLDER, job.model.path, job.meta_model.device
    folder.mkdir(exist_ok=True)
    exact = MetaModel.open(source, torch.float32, device)
    layers = {f"{name}.{layer.name}" for name, layer in job.recipe.all_rounded_layers(exact)}
    rotator = ModelRotator(exact, job.scheme, layers, job.spec.seed)
    ids = job.windows.calibration.ids
    basis = fingerprint(exact, job.recipe, ids, ids[:0], token_loss) | {"seed": job.spec.seed}
    steps = rotator.write(source, folder, ids, basis)
    choices = yield from mapped(steps, lambda _: [JobProgress(Phase.loading, _FRACTION)])
    model = replace(job.model, path=folder)
    rotated = MetaModel.open(folder, job.meta_model.dtype, device)
    return RotatedJob(replace(job, model=model, meta_model=rotated), choices)
