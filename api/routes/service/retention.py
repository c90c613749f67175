"""Routes of storage use, and of what the retention rules would delete."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.middleware.writers import WritingRoute
from api.routes.dependencies import ServiceDep, changes_nothing
from api.schemas.retention import RetentionPreview, RetentionRead, StorageRead, UseRead
from api.services.service import Service
from db.core.retention_rules import RetentionRules, retention_plan
from db.files.retention import FileRetention
from db.files.storage import storage_use

router = APIRouter(prefix="/v1", tags=["storage"], route_class=WritingRoute)

Limit = Annotated[
    int, Query(ge=1, le=1000, description="The largest number of deletions in the response.")
]


@router.get("/storage")
def get_storage(service: ServiceDep) -> StorageRead:
    """Return how much storage the files of finished jobs take, in total, by model and by label."""
    with service.sessions() as session:
        use = storage_use(session)
    return StorageRead(
        artifacts=use.artifacts,
        artifact_bytes=use.artifact_bytes,
        pinned_bytes=use.pinned_bytes,
        free_bytes=service.store.free_bytes(),
        models=[UseRead.model_validate(model) for model in use.models],
        labels=[UseRead.model_validate(label) for label in use.labels],
    )


@router.get("/retention")
def get_retention(service: ServiceDep, limit: Limit = 100) -> RetentionRead:
    """Return the retention rules, and whose files they would delete now; delete nothing."""
    return _planned(service, service.retention, limit)


@router.post("/retention/preview", dependencies=[Depends(changes_nothing)])
def preview_retention(
    body: RetentionPreview, service: ServiceDep, limit: Limit = 100
) -> RetentionRead:
    """Return whose files other rules would delete now; delete nothing, and store no rule."""
    return _planned(service, body.rules, limit)


def _planned(service: Service, rules: RetentionRules, limit: int) -> RetentionRead:
    with service.sessions() as session:
        retention = FileRetention(session)
        plan = retention_plan(retention.stored_jobs(), rules, retention.time())
    return RetentionRead.of(rules, plan, limit)
