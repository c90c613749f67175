"""The route that lists models that a job can name."""

from fastapi import APIRouter

from api.routes.dependencies import ServiceDep
from api.schemas.catalogue import ModelRead
from api.schemas.pages import Page
from db.jobs.used_models import recent_models
from db.spec.inputs.local_models import local_models

router = APIRouter(prefix="/v1/models", tags=["catalog"])


@router.get("")
def list_models(service: ServiceDep) -> Page[ModelRead]:
    """List the models that the newest jobs use, and those in the folders that jobs may read.

    A job can also name any other model on the hub.
    """
    local = local_models(service.model_roots)
    with service.sessions() as session:
        used = [name for name in recent_models(session) if name not in local]
    return Page(
        data=[
            *(ModelRead(model=name, kind="used") for name in used),
            *(ModelRead(model=name, kind="local") for name in local),
        ]
    )
