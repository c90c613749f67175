"""Models that are the results of finished jobs: linked or copied for a job, or only outlined."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from db.buckets.bucket import Check, proceed
from db.buckets.errors import WrongDigestError
from db.core.errors import ArtifactNotFoundError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.stored_file import StoredFile
from db.jobs.result_models import ResultModel, ResultModelRepository, gone
from db.spec.inputs.input_name import LOCAL
from db.spec.prune_spec import PruneSpec
from db.tables.artifacts import Artifact
from worker.sources.buckets.models import write_header
from worker.sources.model_files import require_space


@dataclass(frozen=True)
class PlacedResult:
    """The model of a finished job, in a folder of this machine.

    Attributes:
        folder: the folder, with links to the files or copies of them.
        job_id: the job's id.
        sha256: the digest of each file, by name.
        checksums_sha256: the digest of the result's ``SHA256SUMS``; None if it has none.
        lineage: the ids of the jobs whose results led to it, the latest first, and the model that
            the first of them pruned, as ``{"model": …, "jobs": […]}``.
    """

    folder: Path
    job_id: str
    sha256: Mapping[str, str] = field(repr=False)
    checksums_sha256: str | None
    lineage: Mapping[str, Any]

    def require_intact(self, name: str, sha256: str) -> None:
        """Check the digest of a file of the model.

        Raises:
            SpecRefusedError: it is not that of the file that the job wrote.
        """
        if self.sha256[name] != sha256:
            raise gone(self.job_id, f"the sha256 of its {name} is {sha256} now")


def place_result(
    sessions: Sessions,
    store: ArtifactStore,
    spec: PruneSpec,
    folder: Path,
    check: Check = proceed,
) -> PlacedResult | None:
    """Place the files of a job's model in a folder if the model is the result of another job.

    Files that an earlier call copied completely are used again.

    Raises:
        SpecRefusedError: the result is gone.
        OSError: the disk has too little space.
    """
    if (result := _find(sessions, spec)) is None:
        return None
    folder.mkdir(exist_ok=True)
    if store.is_remote:
        sizes = {name: file.size_bytes for name, file in result.files.items()}
        require_space(folder, sizes, {path.name for path in folder.iterdir()})
    for name, file in result.files.items():
        _place(result, file, _open(store, result, file), folder / name, check)
    return _placed(result, folder)


def outline_result(
    sessions: Sessions, store: ArtifactStore, spec: PruneSpec, folder: Path
) -> PlacedResult | None:
    """Do the same as `place_result`, but copy no weights: only the headers of their files."""
    if (result := _find(sessions, spec)) is None:
        return None
    for name, file in result.files.items():
        stored = _open(store, result, file)
        if store.is_remote and name.endswith(".safetensors"):
            write_header(stored.chunks, stored.size_bytes, folder / name)
        else:
            _place(result, file, stored, folder / name, proceed)
    return _placed(result, folder)


def _find(sessions: Sessions, spec: PruneSpec) -> ResultModel | None:
    with sessions() as session:
        return ResultModelRepository(session).find(spec.model)


def _placed(result: ResultModel, folder: Path) -> PlacedResult:
    sha256 = {name: file.sha256 for name, file in result.files.items()}
    lineage = result.lineage | {"model": _without_path(result.lineage["model"])}
    return PlacedResult(folder, result.job_id, sha256, result.checksums_sha256, lineage)


def _without_path(model: str) -> str:
    """Return a model's name; of an absolute path, which no file of a job shows, its last part."""
    path = PurePath(model.removeprefix(LOCAL))
    return f"{LOCAL}{path.name}" if path.is_absolute() else model


def _open(store: ArtifactStore, result: ResultModel, file: Artifact) -> StoredFile:
    try:
        return store.open(file)
    except ArtifactNotFoundError:
        raise gone(result.job_id, f"its {file.name} is missing") from None


def _place(
    result: ResultModel, file: Artifact, stored: StoredFile, path: Path, check: Check
) -> None:
    """Link or copy a file; a copy gets its name once it is complete."""
    if path.is_file() and not path.is_symlink():
        return
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        stored.place(part, file.sha256, check)
    except FileNotFoundError:
        raise gone(result.job_id, f"its {file.name} is missing") from None
    except WrongDigestError as error:
        raise gone(result.job_id, f"its {file.name} is damaged") from error
    part.replace(path)
