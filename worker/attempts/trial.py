"""The trial that an attempt answers, and the files of the job that it tries."""

import json
from pathlib import Path

from db.core.errors import ArtifactNotFoundError, SpecRefusedError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.stored_file import StoredFile
from db.jobs.trials import TrialRepository
from db.spec.trials import TrialRequest
from db.tables.artifacts import Artifact
from worker.jobs.trials.tried_model import TriedModel

_REPORT = "report.json"


def open_trial(
    sessions: Sessions, store: ArtifactStore, job_id: str, staged: Path
) -> tuple[TrialRequest, TriedModel]:
    """Return the request of the trial that a job answers, and the model that it tries.

    Args:
        sessions: sessions of the database.
        store: the store of the finished job's files.
        job_id: the id of the job that answers the trial.
        staged: an empty folder, in which these files are placed.

    Raises:
        SpecRefusedError: the trial or the files were deleted.
    """
    with sessions() as session:
        if (trial := TrialRepository(session).get(job_id)) is None:
            raise _refused(job_id, "the trial was deleted")
        files = ArtifactRepository(session).of_job(trial.tried_id)
    asked = {name: getattr(trial, name) for name in TrialRequest.model_fields}
    if _REPORT not in {file.name for file in files}:
        raise _refused(trial.tried_id, "its files were deleted")
    for file in files:
        (staged / file.name).parent.mkdir(parents=True, exist_ok=True)
        _open(store, trial.tried_id, file).place(staged / file.name, file.sha256)
    revision = json.loads((staged / _REPORT).read_text("utf-8"))["model"]["revision"]
    return TrialRequest.model_validate(asked), TriedModel(staged, revision)


def _open(store: ArtifactStore, tried_id: str, file: Artifact) -> StoredFile:
    if file.deleted_by is not None:
        reason = f"the retention rule {file.deleted_by} deleted its file {file.name}"
        raise _refused(tried_id, reason)
    try:
        return store.open(file)
    except ArtifactNotFoundError:
        raise _refused(tried_id, f"its file {file.name} is missing") from None


def _refused(job_id: str, reason: str) -> SpecRefusedError:
    remedy = "Rerun the job, and try the new one."
    return SpecRefusedError("job", job_id, "tried_files_deleted", reason, remedy)
