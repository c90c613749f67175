"""Routes of a job's outputs, the targets that its result is sent to."""

from typing import Annotated

from fastapi import APIRouter, Path

from api.middleware.writers import WritingRoute
from api.routes.dependencies import JobId, ServiceDep
from api.routes.own_trials import OWN_TRIAL
from api.schemas.outputs import OutputRead
from api.schemas.pages import Page
from db.jobs.repository import JobRepository
from db.outputs.repository import OutputRepository
from db.spec.outputs.targets import MOST

router = APIRouter(
    prefix="/v1/jobs/{job_id}/outputs",
    tags=["jobs"],
    route_class=WritingRoute,
    dependencies=[OWN_TRIAL],
)
Index = Annotated[
    int, Path(ge=0, lt=MOST, description="The place of the output in the job, from 0.")
]


@router.get("")
def list_outputs(job_id: JobId, service: ServiceDep) -> Page[OutputRead]:
    """List a job's outputs; there are none before the job has ended.

    Those of a job that ended without success are `skipped`, and can be neither sent nor cancelled.
    """
    with service.sessions() as session:
        outputs = OutputRepository(session).shown(JobRepository(session).get(job_id))
    return Page(data=[OutputRead.of(output) for output in outputs])


@router.post("/{index}/cancel")
def cancel_output(job_id: JobId, index: Index, service: ServiceDep) -> OutputRead:
    """Cancel an output that waits or is being sent; the job keeps its status.

    A cancel that arrives while the last request to the target is on its way may be too late: then
    the target has the result.
    """
    with service.sessions.begin() as session:
        return OutputRead.of(OutputRepository(session).cancel(job_id, index))


@router.post("/{index}/retry")
def retry_output(job_id: JobId, index: Index, service: ServiceDep) -> OutputRead:
    """Send an output that failed, was cancelled, or was skipped because the job failed its gate."""
    with service.sessions.begin() as session:
        return OutputRead.of(OutputRepository(session).retry(job_id, index))
