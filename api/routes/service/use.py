"""The route of what the jobs of a period used."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from api.routes.dependencies import ServiceDep
from api.schemas.use import PeriodUseRead, UseQuery
from db.jobs.use import use_of

router = APIRouter(prefix="/v1", tags=["jobs"])


@router.get("/use")
def get_use(service: ServiceDep, query: Annotated[UseQuery, Query()]) -> PeriodUseRead:
    """Return the jobs, the worker hours and the cost of a period, by method, key and label."""
    after, before = query.period(datetime.now(UTC))
    currency = service.prices.currency if service.prices.hourly else None
    with service.sessions() as session:
        return PeriodUseRead.of(use_of(session, after, before), after, before, currency)
