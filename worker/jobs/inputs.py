"""The inputs of a job's result: the files of its model, its texts, and versions of packages."""

import platform
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

from db.core.states import Phase
from db.spec.checkpoint_headers import weight_files
from db.spec.datasets.upload_store import UPLOADED
from db.spec.inputs.bucket_references import S3File
from db.spec.inputs.input_name import LOCAL
from db.spec.inputs.job_results import JOB
from db.spec.inputs.references import (
    DatasetReference,
    LocalPath,
    ModelReference,
    parse_dataset,
)
from db.spec.options.expect import CALIBRATION, EVALUATION, KEEP, MODEL, VOCABULARY
from db.spec.prune_spec import PruneSpec, named_texts
from worker.jobs.model_folder import copied_files
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.resources import Resources
from worker.pruning.base.file_digests import file_digest
from worker.pruning.model.scanned_file import scanned
from worker.sources.models import ModelFolder

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "zpruner")
_version = cache(version)  # which parses all metadata of a package


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result's bytes."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}


@dataclass(frozen=True)
class JobInputs:
    """The model and the texts that a job reads.

    Attributes:
        names: the names of the model and the datasets by the field, without the paths of local
            folders.
        model: the SHA-256 of each file of the model, by its name in ``expect``.
    """

    names: dict[str, str]
    model: dict[str, str]


def model_digests(
    model: ModelFolder, resources: Resources
) -> Generator[JobProgress, None, dict[str, str]]:
    """Return the SHA-256 of each file of a model that a job reads, by its name in ``expect``.

    Weights are checked in the same pass, for `check_finite`.

    Yields:
        Progress after each file, as a place where the job may stop: weights can take minutes.

    Raises:
        SpecRefusedError: the model is the result of a job, and a file of it is damaged.
    """
    folder = model.path
    copied = copied_files(folder, resources.linked_folders)
    names = weight_files(folder, model.name, {path.name for path in folder.iterdir()})
    weights = {folder / name for name in names}
    digests: dict[str, str] = {}
    for path in sorted({*copied, *weights}):
        digests[MODEL + path.name] = scanned(path).sha256 if path in weights else file_digest(path)
        if resources.result is not None:
            resources.result.require_intact(path.name, digests[MODEL + path.name])
        yield JobProgress(Phase.loading, 0.01)
    return digests


def text_digests(job: OpenedJob) -> dict[str, str]:
    """Return the SHA-256 of the texts of a job, by their names in ``expect``."""
    windows = job.windows
    texts: dict[str, Mapping[str, Any]] = {
        CALIBRATION: windows.calibration.provenance,
        EVALUATION: windows.evaluation.provenance,
    }
    if windows.keep is not None:
        texts[KEEP] = windows.keep.provenance
    if job.vocabulary is not None:
        texts[VOCABULARY] = job.vocabulary.text
    mixed = enumerate(windows.calibration.provenance.get("sources", []))
    texts |= {f"{CALIBRATION}/{place}": source for place, source in mixed}
    return {name: text["dataset_sha256"] for name, text in texts.items()}


def shown_names(spec: PruneSpec, resources: Resources) -> dict[str, str]:
    """Return the names of the model and the datasets without the paths of local folders."""
    model = resources.model_reference(spec)
    names = {"model": _shown(model, resources.model_roots)}
    roots = resources.dataset_roots
    for field, name, _ in named_texts(spec):
        dataset = parse_dataset(name, roots, field, resources.uploads, buckets=resources.buckets)
        names[field] = _shown(dataset, roots)
    if (start := resources.search_start) is not None:
        names["search_start"] = start.name
    return names


def _shown(
    reference: ModelReference | DatasetReference | S3File, roots: Sequence[Path] | None
) -> str:
    """Return the name of a reference; an absolute path is made relative to its allowed root.

    Without roots, only the last part of a local path is shown.
    """
    name = reference.name
    if not isinstance(reference, LocalPath) or name.startswith((UPLOADED, JOB)):
        return name
    if roots is not None and not PurePath(name.removeprefix(LOCAL)).is_absolute():
        return name
    above = [
        folder for root in roots or () if reference.path.is_relative_to(folder := root.resolve())
    ]
    return f"{LOCAL}{reference.path.relative_to(above[0]) if above else reference.path.name}"
