"""The results of finished jobs as models of other jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.core.digests import digest
from db.core.errors import JobNotFoundError, SpecRefusedError
from db.core.states import FINAL, JobState
from db.events.job_rows import get_job
from db.files.artifacts import ArtifactRepository
from db.files.downloads import DownloadRepository
from db.files.sealed_folder import CHECKSUMS
from db.spec.inputs.job_results import JOB, PROBABILITIES, model_job, named_job
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName
from db.spec.quality_gate import Verdict
from db.tables.artifacts import Artifact
from db.tables.base import Document
from db.tables.jobs import Job
from db.tables.trials import TRIAL

ABOUT_THE_JOB = frozenset(
    {
        *(CHECKSUMS, "README.md", "report.json", "provenance.json", "provenance.intoto.jsonl"),
        PROBABILITIES,
    }
)
"""The files of a result that are not part of its model."""
MODEL, SEARCH = "model", "search_start"
"""The fields of a specification that can name the result of a job."""
MAX_USERS = 3
"""How many jobs `ResultModelRepository.users` returns at most."""


@dataclass(frozen=True)
class ResultModel:
    """The model that a finished job wrote.

    Attributes:
        job_id: the job's id.
        files: the files of the model, by name.
        checksums_sha256: the digest of the result's ``SHA256SUMS``, which has those of its files.
        lineage: as in the row of a job that starts from this model.
    """

    job_id: str
    files: Mapping[str, Artifact]
    checksums_sha256: str | None
    lineage: Document

    @property
    def digest(self) -> str:
        """A digest of the model's files, the same for equal models of different jobs."""
        return digest({name: file.sha256 for name, file in self.files.items()})


class ResultModelRepository:
    """Finds the models that finished jobs wrote; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, model: str) -> ResultModel | None:
        """Return the result that a model's name stands for; None if it names another model.

        Raises:
            SpecRefusedError: there is no such job; or it has no model that a job can start from:
                it has not succeeded, failed its gate, is quantised, or its files are gone.
        """
        if (job_id := model_job(model)) is None:
            return None
        job = self._job(job_id)
        _require_unquantised(job)
        files = {file.name: file for file in ArtifactRepository(self._session).of_job(job_id)}
        checksums = files.get(CHECKSUMS)
        result = ResultModel(
            job_id,
            {name: file for name, file in files.items() if _is_of_the_model(name)},
            None if checksums is None else checksums.sha256,
            _lineage(job),
        )
        _require_files(job_id, result.files)
        return result

    def reserve(self, model: str) -> ResultModel | None:
        """Find a model as `find` does, for a job that is added in the same transaction.

        The result is neither deleted before this transaction ends, nor while the job has not ended.
        """
        if (job_id := model_job(model)) is not None:
            # A write of the row: a retention rule whose transaction waits for it sees the use.
            DownloadRepository(self._session).record(job_id)
        return self.find(model)

    def digest(self, model: str) -> str | None:
        """Return the digest of a result; None for other models, and if the result is gone."""
        try:
            result = self.find(model)
        except SpecRefusedError:
            return None
        return None if result is None else result.digest

    def find_search(self, spec: PruneSpec) -> Artifact | None:
        """Return the file with the end of the search that a job's own starts from.

        None if the job names no search of another job.

        Raises:
            SpecRefusedError: as `find`; or the job has made no search.
        """
        if spec.search_start is None:
            return None
        if (job_id := named_job(SEARCH, spec.search_start)) is None:
            reason, remedy = "it is not the name of a job", "Write job: and the id of a pgp job."
            raise SpecRefusedError(SEARCH, spec.search_start, "invalid_name", reason, remedy)
        job = self._job(job_id, SEARCH)
        if job.spec.method is not MethodName.pgp:
            reason = f"job {job_id} made no search: its method is {job.spec.method}"
            raise _refused(job_id, "no_search", reason, "Name a job with method pgp.", SEARCH)
        files = {file.name: file for file in ArtifactRepository(self._session).of_job(job_id)}
        search_files = {name: file for name, file in files.items() if name == PROBABILITIES}
        _require_files(job_id, search_files, SEARCH)
        return search_files[PROBABILITIES]

    def reserve_search(self, spec: PruneSpec) -> Artifact | None:
        """Find a search as `find_search` does, and keep its file as `reserve` does a result."""
        if (job_id := named_job(SEARCH, spec.search_start or "")) is not None:
            DownloadRepository(self._session).record(job_id)
        return self.find_search(spec)

    def users(self, job_id: str) -> list[str]:
        """Return the ids of up to `MAX_USERS` unfinished jobs that start from the result."""
        starts = or_(Job.model_job_id == job_id, Job.search_job_id == job_id)
        query = select(Job.id).where(starts, Job.status.not_in(FINAL))
        return list(self._session.scalars(query.order_by(Job.id).limit(MAX_USERS)))

    def _job(self, job_id: str, field: str = MODEL) -> Job:
        try:
            job = get_job(self._session, job_id)
        except JobNotFoundError:
            raise _unknown(job_id, field) from None
        if job.method == TRIAL:
            raise _unknown(job_id, field)
        _require_success(job, field)
        return job


def _is_of_the_model(name: str) -> bool:
    return name not in ABOUT_THE_JOB and "/" not in name


def _lineage(job: Job) -> Document:
    """Return the lineage of a job that starts from the result of this one."""
    earlier: dict[str, Any] = job.lineage or {"model": job.spec.model, "jobs": []}
    return {"model": earlier["model"], "jobs": [job.id, *earlier["jobs"]]}


def _require_unquantised(job: Job) -> None:
    if job.spec.quantize is not None:
        reason = f"job {job.id} has quantised its weights"
        raise _refused(job.id, "quantized", reason, "Name the job or model it started from.")


def _require_success(job: Job, field: str) -> None:
    if not job.status.is_final:
        raise _refused(
            job.id,
            "result_unfinished",
            f"job {job.id} is {job.status}",
            f"Submit this job once it has succeeded: zpruner wait {job.id} waits for that.",
            field,
        )
    if job.status is not JobState.succeeded:
        raise _refused(
            job.id,
            "result_failed",
            f"job {job.id} is {job.status}, so it has no result",
            "Retry it, or name a job that has succeeded.",
            field,
        )
    if job.verdict is Verdict.failed and field == MODEL:
        raise _refused(
            job.id,
            "result_failed",
            f"the metrics of job {job.id} are out of the bounds of its gate",
            "Rerun it with another gate or without one, or name a job that passed.",
        )


def _require_files(job_id: str, files: Mapping[str, Artifact], field: str = MODEL) -> None:
    for name, file in files.items():
        if file.deleted_by is not None:
            why = f"the retention rule {file.deleted_by} deleted its {name}"
            raise gone(job_id, why, field)
        if file.damage is not None:
            raise gone(job_id, f"its {name} is damaged: {file.damage}", field)
    if not files:
        missing = "it has no files" if field == MODEL else f"it has no {PROBABILITIES}"
        raise gone(job_id, missing, field)


def gone(job_id: str, why: str, field: str = MODEL) -> SpecRefusedError:
    """Return the error for a result that cannot be read any longer, or whose bytes are others."""
    remedy = f"Rerun it (zpruner rerun {job_id}), and name the new job."
    return _refused(job_id, "result_gone", f"of job {job_id}, {why}", remedy, field)


def _unknown(job_id: str, field: str) -> SpecRefusedError:
    remedy = "Check the id; zpruner ls --status succeeded lists the jobs with results."
    return _refused(job_id, "result_not_found", "there is no such job", remedy, field)


def _refused(
    job_id: str, code: str, reason: str, remedy: str, field: str = MODEL
) -> SpecRefusedError:
    return SpecRefusedError(field, f"{JOB}{job_id}", code, reason, remedy)
