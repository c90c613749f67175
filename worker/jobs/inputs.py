"""What a job's result depends on: the files of its model, its texts, and versions of packages."""

import platform
from collections.abc import Generator
from importlib.metadata import version

from db.core.states import Phase
from db.files.artifact_store import sha256_of
from db.spec.checkpoint_headers import weight_files
from db.spec.pins import CALIBRATION, EVALUATION, MODEL
from worker.jobs.model_folder import copied_files
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.resources import Resources
from worker.sources.models import ModelFolder

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "zpruner")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result's bytes."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def model_digests(
    model: ModelFolder, resources: Resources
) -> Generator[JobProgress, None, dict[str, str]]:
    """Return the SHA-256 of each file of a model that a job reads, by the name of its pin.

    Yields:
        Progress after each file, as a place where the job may stop: weights can take minutes.
    """
    folder = model.path
    copied = copied_files(folder, resources.model_roots)
    weights = weight_files(folder, model.name, {path.name for path in folder.iterdir()})
    digests: dict[str, str] = {}
    for path in sorted({*copied, *(folder / name for name in weights)}):
        with path.open("rb") as file:
            digests[MODEL + path.name] = sha256_of(file)
        yield JobProgress(Phase.loading, 0.01)
    return digests


def text_digests(job: OpenedJob) -> dict[str, str]:
    """Return the SHA-256 of the texts of a job, by the names of their pins."""
    texts = {CALIBRATION: job.windows.calibration, EVALUATION: job.windows.evaluation}
    return {name: text.provenance["dataset_sha256"] for name, text in texts.items()}
