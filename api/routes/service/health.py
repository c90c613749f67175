"""Liveness and readiness checks."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api.core.problem_response import ProblemError
from api.routes.dependencies import ServiceDep
from api.services.readiness import NotReadyError
from db.problems.service import NOT_READY

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The response of a live process."""

    status: str = "ok"


class Readiness(BaseModel):
    """The response if everything that a job needs is available."""

    status: str = "ready"
    workers: list[str] = Field(description="The workers that accept jobs.")


@router.get("/healthz")
async def get_health() -> Health:
    """Return 200 if this process is alive."""
    return Health()


@router.get("/readyz")
async def get_readiness(service: ServiceDep, response: Response) -> Readiness:
    """Return 200 if the database, artifact store, control process, broker and a worker respond.

    The result may be up to two seconds old.
    """
    if service.instance is not None:
        response.headers["zpruner-instance"] = service.instance
    try:
        return Readiness(workers=await service.readiness.workers())
    except NotReadyError as error:
        raise ProblemError(NOT_READY.problem(str(error)), {"retry-after": "5"}) from None
