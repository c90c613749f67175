"""Whether the service lives, and whether it can do its work."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api.deps import ServiceDep
from api.problems.handlers import ProblemError
from api.services.readiness import NotReadyError
from db.problems.service import NOT_READY

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Readiness(BaseModel):
    """Everything a job needs answers."""

    status: str = "ready"
    workers: list[str] = Field(description="The workers that take jobs.")


@router.get("/healthz")
async def get_health() -> Health:
    """Answer that this process lives."""
    return Health()


@router.get("/readyz")
async def get_readiness(service: ServiceDep, response: Response) -> Readiness:
    """Answer whether database, artifact store, control process, broker and a worker answer.

    The answer may be two seconds old.
    """
    if service.instance is not None:
        response.headers["zpruner-instance"] = service.instance
    try:
        return Readiness(workers=await service.readiness.workers())
    except NotReadyError as error:
        raise ProblemError(NOT_READY.problem(str(error)), {"retry-after": "5"}) from None
