"""Routes of triggers and the calls that they received."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from pydantic import Field, JsonValue

from api.core.caller import CallerDep
from api.middleware.writers import WritingRoute
from api.routes.dependencies import ServiceDep, TriggerId
from api.schemas.fields import RequestModel
from api.schemas.pages import Page
from api.schemas.triggers import (
    NewTrigger,
    TriggerDeliveryRead,
    TriggerPatch,
    TriggerRead,
    TriggerRequest,
    TriggerTest,
    TriggerTestRequest,
)
from api.schemas.webhooks import SecretRotation
from api.services.service import Service
from api.triggers.deliveries import preview_call
from api.triggers.mapping import check_template, template_outputs
from api.web.cursors import paginate
from api.web.pagination import next_link
from db.access.caller_secrets import require_secret
from db.core.errors import SpecRefusedError
from db.core.ids import id_pattern
from db.tables.triggers import Trigger
from db.triggers import TriggerRepository

router = APIRouter(prefix="/v1/triggers", tags=["triggers"], route_class=WritingRoute)


class TriggerDeliveryQuery(RequestModel):
    """The query parameters for listing calls to a trigger."""

    limit: int = Field(default=50, ge=1, le=200, description="The largest number of items.")
    cursor: str | None = Field(
        default=None,
        pattern=f"^{id_pattern('tdl')}$",
        description="The `next_cursor` of the previous page.",
    )


@router.post("", status_code=201)
def create_trigger(
    body: TriggerRequest, caller: CallerDep, service: ServiceDep, response: Response
) -> NewTrigger:
    """Create a trigger; only this response contains its secret.

    Its jobs count against the quotas of the caller's key.
    """
    _check_template(service, body.job.root, body.map, caller.key_id)
    with service.sessions.begin() as session:
        require_secret(session, body.job.root.get("model_secret"), caller.key_id)
        trigger = TriggerRepository(session).create(**body.model_dump(), created_by=caller.key_id)
    response.headers["location"] = f"/v1/triggers/{trigger.id}"
    return _with_secret(trigger, response)


@router.get("")
def list_triggers(service: ServiceDep) -> Page[TriggerRead]:
    """List all triggers, newest first."""
    with service.sessions() as session:
        triggers = TriggerRepository(session).all()
    return Page(data=[TriggerRead.of(trigger) for trigger in triggers])


@router.get("/{trigger_id}")
def get_trigger(trigger_id: TriggerId, service: ServiceDep) -> TriggerRead:
    """Return one trigger."""
    with service.sessions() as session:
        return TriggerRead.of(TriggerRepository(session).get(trigger_id))


@router.patch("/{trigger_id}")
def change_trigger(trigger_id: TriggerId, body: TriggerPatch, service: ServiceDep) -> TriggerRead:
    """Change a trigger's name, job, filter or map; its address and its secret stay the same."""
    with service.sessions.begin() as session:
        trigger = TriggerRepository(session).change(trigger_id, **body.changes())
        _check_template(service, trigger.job, trigger.map, trigger.created_by)
        require_secret(session, trigger.job.get("model_secret"), trigger.created_by)
        return TriggerRead.of(trigger)


@router.delete("/{trigger_id}", status_code=204)
def delete_trigger(trigger_id: TriggerId, service: ServiceDep) -> None:
    """Delete a trigger and its deliveries; the jobs that it started are kept."""
    with service.sessions.begin() as session:
        TriggerRepository(session).delete(trigger_id)


@router.post("/{trigger_id}/rotate")
def rotate_trigger(
    trigger_id: TriggerId,
    service: ServiceDep,
    response: Response,
    body: Annotated[SecretRotation | None, Body()] = None,
) -> NewTrigger:
    """Give a trigger a new secret, which only this response contains.

    The old secret stays valid for a while.
    """
    grace = timedelta(seconds=(body or SecretRotation()).grace_s)
    with service.sessions.begin() as session:
        trigger = TriggerRepository(session).rotate(trigger_id, grace)
    return _with_secret(trigger, response)


@router.post("/{trigger_id}/test")
def test_trigger(
    trigger_id: TriggerId, body: TriggerTestRequest, service: ServiceDep
) -> TriggerTest:
    """Return the result that a call with this payload would have.

    This is the job, or the reason why the call would be ignored. No job and no delivery is stored.
    """
    with service.sessions() as session:
        trigger = TriggerRepository(session).get(trigger_id)
    return preview_call(service, trigger, body.payload)


@router.get("/{trigger_id}/deliveries")
def list_trigger_deliveries(
    trigger_id: TriggerId,
    service: ServiceDep,
    response: Response,
    query: Annotated[TriggerDeliveryQuery, Query()],
) -> Page[TriggerDeliveryRead]:
    """List the authenticated calls to a trigger in the last thirty days, newest first."""
    with service.sessions() as session:
        triggers = TriggerRepository(session)
        triggers.get(trigger_id)
        deliveries = triggers.deliveries(trigger_id, limit=query.limit + 1, after=query.cursor)
    page, next_cursor = paginate(deliveries, query.limit, lambda delivery: delivery.id)
    if next_cursor is not None:
        given = {"limit": query.limit, "cursor": next_cursor}
        response.headers["link"] = next_link(f"/v1/triggers/{trigger_id}/deliveries", given)
    data = [TriggerDeliveryRead.model_validate(delivery) for delivery in page]
    return Page(data=data, next_cursor=next_cursor)


def _check_template(
    service: Service,
    job: Mapping[str, JsonValue],
    mapped: Mapping[str, str],
    key_id: str | None,
) -> None:
    """Check a template, and the outputs in it, which no payload fills."""
    check_template(job, mapped)
    try:
        service.preflight.check_outputs(template_outputs(job), key_id)
    except SpecRefusedError as refused:
        raise refused.within("job") from None


def _with_secret(trigger: Trigger, response: Response) -> NewTrigger:
    response.headers["cache-control"] = "no-store"
    return NewTrigger.of(trigger, secret=trigger.secret)
