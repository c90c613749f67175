"""Whether the service lives, and whether it can do its work."""

import logging
from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from api.deps import Service, ServiceDep
from api.faces import NOT_READY
from api.problems import RefusalError
from db.models import Job

logger = logging.getLogger(__name__)
router = APIRouter(tags=["health"])

Answer = TypeVar("Answer")


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Readiness(BaseModel):
    """Everything a job needs answers."""

    status: str = "ready"
    workers: list[str] = Field(description="The workers that take jobs.")


@router.get("/healthz")
def get_health() -> Health:
    """Answer that this process lives."""
    return Health()


@router.get("/readyz")
def get_readiness(service: ServiceDep) -> Readiness:
    """Answer whether database, broker and a worker that takes jobs answer."""
    _asked("database", lambda: _read(service))
    workers = _asked("broker", service.queue.workers)
    if not workers:
        raise _not_ready("No worker that takes jobs answers.")
    return Readiness(workers=workers)


def _asked(part: str, ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except Exception as error:
        # Whatever its driver raises, the part does not answer; the driver's words may name hosts.
        logger.warning("the %s does not answer: %s", part, error)
        raise _not_ready(f"The {part} does not answer.") from None


def _read(service: Service) -> None:
    with service.sessions() as session:
        session.execute(select(Job.id).limit(1))


def _not_ready(detail: str) -> RefusalError:
    return RefusalError(NOT_READY, detail, {"retry-after": "5"})
