"""The route that compares jobs."""

import re
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from api.routes.dependencies import ServiceDep
from api.schemas.fields import RequestModel
from api.submission.comparison import Comparison
from api.web.examples.ids import JOB_ID
from db.core.errors import JobNotFoundError
from db.core.ids import id_pattern
from db.jobs.repository import JobRepository
from db.tables.jobs import Job
from db.tables.trials import TRIAL

router = APIRouter(prefix="/v1/compare", tags=["jobs"])

MIN_JOBS, MAX_JOBS = 2, 20
_ID = id_pattern("job")


def _check_ids(ids: str) -> str:
    names = ids.split(",")
    are_ids = all(re.fullmatch(_ID, name) for name in names)
    if not are_ids or not MIN_JOBS <= len(names) <= MAX_JOBS:
        raise PydanticCustomError("job_ids", f"does not have {MIN_JOBS} to {MAX_JOBS} ids of jobs")
    return ids


class CompareQuery(RequestModel):
    """The query parameters of a comparison."""

    ids: Annotated[str, AfterValidator(_check_ids)] = Field(
        max_length=1000,
        # Documents the format; _check_ids has the readable error.
        json_schema_extra={"pattern": f"^{_ID}(,{_ID}){{{MIN_JOBS - 1},{MAX_JOBS - 1}}}$"},
        description=f"{MIN_JOBS} to {MAX_JOBS} job ids, separated by commas; the first is the "
        "baseline.",
        examples=[f"{JOB_ID},job_01920c41d2e07b6a9c8f3e2d1a0b9c8d"],
    )


@router.get("")
def compare_jobs(service: ServiceDep, query: Annotated[CompareQuery, Query()]) -> Comparison:
    """Compare the specifications and metrics of jobs."""
    with service.sessions() as session:
        jobs = JobRepository(session)
        return Comparison.of([_pruning(jobs.get(job_id)) for job_id in query.ids.split(",")])


def _pruning(job: Job) -> Job:
    """Return a job that prunes; one that answers a trial is nothing to compare.

    Raises:
        JobNotFoundError: the job answers a trial.
    """
    if job.method == TRIAL:
        raise JobNotFoundError(job.id)
    return job
