"""The results of finished jobs that requests name as their models, or start a search from."""

from pathlib import Path

from sqlalchemy.orm import Session

from api.core.problem_response import ProblemError
from db.access.keys import KeyRepository
from db.core.errors import ArtifactNotFoundError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.stored_file import LocalFile
from db.jobs.result_models import SEARCH, ResultModel, ResultModelRepository, gone
from db.problems.access import MISSING_SCOPE
from db.spec.inputs.job_results import model_job
from db.spec.model_configs import CONFIGS
from db.spec.prune_spec import PruneSpec
from db.tables.access import AccessScope

IN_BUCKET = Path()
"""In place of the folder of a result that is in a bucket, which only workers copy."""
_NEEDED = frozenset({AccessScope.artifacts_read, AccessScope.admin})


class ResultFolders:
    """Finds the folders of results, for callers that may read them."""

    def __init__(self, sessions: Sessions, store: ArtifactStore) -> None:
        self._sessions, self._store = sessions, store

    def folder(self, model: str, key_id: str | None) -> Path | None:
        """Return the folder with a result's files; None if the model is not the result of a job.

        Args:
            model: the model's name in the specification.
            key_id: the API key that the request's job counts against; None without one.

        Raises:
            SpecRefusedError: the job has no result that a job can start from.
            ProblemError: the key may not read files of jobs.
        """
        if model_job(model) is None:
            return None
        with self._sessions() as session:
            self._require_scope(session, model, key_id)
            result = ResultModelRepository(session).find(model)
        return None if result is None else self._opened(result)

    def check_search(self, spec: PruneSpec, key_id: str | None) -> None:
        """Check that the search that a job's own starts from can be read.

        Raises:
            SpecRefusedError: the field names no job with a search, or its file is gone.
            ProblemError: the key may not read files of jobs.
        """
        if spec.search_start is None:
            return
        with self._sessions() as session:
            self._require_scope(session, spec.search_start, key_id)
            file = ResultModelRepository(session).find_search(spec)
        if file is None:
            return
        try:
            self._store.open(file)
        except ArtifactNotFoundError:
            raise gone(file.job_id, f"its {file.name} is missing", SEARCH) from None

    def _require_scope(self, session: Session, name: str, key_id: str | None) -> None:
        if key_id is not None and not _NEEDED & {*KeyRepository(session).get(key_id).scopes}:
            raise _forbidden(name)

    def _opened(self, result: ResultModel) -> Path:
        config = result.files.get(CONFIGS[0])
        if config is None:
            raise gone(result.job_id, f"it has no {CONFIGS[0]}")
        try:
            file = self._store.open(config)
        except ArtifactNotFoundError:
            raise gone(result.job_id, f"its {CONFIGS[0]} is missing") from None
        return file.path.parent if isinstance(file, LocalFile) else IN_BUCKET


def _forbidden(name: str) -> ProblemError:
    scope = AccessScope.artifacts_read
    detail = f"{name} is the result of a job, and the key lacks the scope {scope}."
    return ProblemError(MISSING_SCOPE.problem(detail, hint=f"Use a key with the scope {scope}."))
