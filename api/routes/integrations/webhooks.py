"""Routes of webhooks and their deliveries."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from pydantic import Field
from sqlalchemy.orm import Session

from api.core.caller import CallerDep
from api.middleware.writers import WritingRoute
from api.routes.dependencies import DeliveryId, ServiceDep, WebhookId
from api.schemas.fields import RequestModel
from api.schemas.pages import Page
from api.schemas.webhooks import (
    DeliveryDetail,
    DeliveryRead,
    NewWebhook,
    SecretRotation,
    WebhookPatch,
    WebhookRead,
    WebhookRequest,
)
from api.web.cursors import paginate
from api.web.pagination import next_link
from db.core.ids import id_pattern
from db.tables.webhooks import DeliveryStatus, Webhook
from db.webhooks.addresses import check_address
from db.webhooks.deliveries import DeliveryRepository
from db.webhooks.repository import WebhookRepository

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=WritingRoute)


class DeliveryQuery(RequestModel):
    """The query parameters for listing deliveries."""

    status: DeliveryStatus | None = Field(
        default=None, description="Only deliveries of this status."
    )
    limit: int = Field(default=50, ge=1, le=200, description="The largest number of items.")
    cursor: str | None = Field(
        default=None,
        pattern=f"^{id_pattern('msg')}$",
        description="The `next_cursor` of the previous page.",
    )


@router.post("", status_code=201)
def create_webhook(
    body: WebhookRequest, caller: CallerDep, service: ServiceDep, response: Response
) -> NewWebhook:
    """Create a webhook for future events; only this response contains its secret.

    Messages are signed as https://www.standardwebhooks.com describes; their bodies are CloudEvents.
    """
    check_address(body.url, service.webhook_networks)
    with service.sessions.begin() as session:
        webhook = WebhookRepository(session).create(
            body.url,
            description=body.description,
            events=body.events,
            created_by=caller.key_id,
        )
    response.headers["location"] = _path(webhook.id)
    return _with_secret(webhook, 0, response)


@router.get("")
def list_webhooks(service: ServiceDep) -> Page[WebhookRead]:
    """List all webhooks, newest first."""
    with service.sessions() as session:
        webhooks = WebhookRepository(session).all()
        counts = DeliveryRepository(session).undelivered([webhook.id for webhook in webhooks])
    return Page(data=[WebhookRead.of(webhook, counts.get(webhook.id, 0)) for webhook in webhooks])


@router.get("/{webhook_id}")
def get_webhook(webhook_id: WebhookId, service: ServiceDep) -> WebhookRead:
    """Return one webhook."""
    with service.sessions() as session:
        webhook = WebhookRepository(session).get(webhook_id)
        return WebhookRead.of(webhook, _undelivered(session, webhook_id))


@router.patch("/{webhook_id}")
def change_webhook(webhook_id: WebhookId, body: WebhookPatch, service: ServiceDep) -> WebhookRead:
    """Change a webhook's address, description or events, or disable or enable it."""
    if body.url is not None:
        check_address(body.url, service.webhook_networks)
    with service.sessions.begin() as session:
        webhooks = WebhookRepository(session)
        if body.enabled is not None:
            webhooks.enable(webhook_id) if body.enabled else webhooks.disable(webhook_id)
        webhook = webhooks.change(webhook_id, **body.changes())
        return WebhookRead.of(webhook, _undelivered(session, webhook_id))


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: WebhookId, service: ServiceDep) -> None:
    """Delete a webhook and its deliveries; a message that is being sent may still arrive."""
    with service.sessions.begin() as session:
        WebhookRepository(session).delete(webhook_id)


@router.post("/{webhook_id}/rotate")
def rotate_webhook(
    webhook_id: WebhookId,
    service: ServiceDep,
    response: Response,
    body: Annotated[SecretRotation | None, Body()] = None,
) -> NewWebhook:
    """Give a webhook a new secret, which only this response contains.

    For a while, messages are signed with both the old and the new secret.
    """
    grace = timedelta(seconds=(body or SecretRotation()).grace_s)
    with service.sessions.begin() as session:
        webhook = WebhookRepository(session).rotate(webhook_id, grace)
        undelivered = _undelivered(session, webhook_id)
    return _with_secret(webhook, undelivered, response)


@router.post("/{webhook_id}/test", status_code=202)
def test_webhook(webhook_id: WebhookId, service: ServiceDep, response: Response) -> DeliveryRead:
    """Send a `webhook.test` message; GET the response's `Location` for its result."""
    with service.sessions.begin() as session:
        delivery = DeliveryRepository(session).add_test(webhook_id)
    response.headers["location"] = f"{_path(webhook_id)}/deliveries/{delivery.id}"
    return DeliveryRead.of(delivery)


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: WebhookId,
    service: ServiceDep,
    response: Response,
    query: Annotated[DeliveryQuery, Query()],
) -> Page[DeliveryRead]:
    """List a webhook's pending deliveries, and those that ended in the last thirty days.

    The newest come first.
    """
    with service.sessions() as session:
        WebhookRepository(session).get(webhook_id)
        deliveries = DeliveryRepository(session).page(
            webhook_id, status=query.status, limit=query.limit + 1, after=query.cursor
        )
    page, next_cursor = paginate(deliveries, query.limit, lambda delivery: delivery.id)
    if next_cursor is not None:
        given = {"status": query.status, "limit": query.limit, "cursor": next_cursor}
        response.headers["link"] = next_link(f"{_path(webhook_id)}/deliveries", given)
    return Page(data=[DeliveryRead.of(delivery) for delivery in page], next_cursor=next_cursor)


@router.get("/{webhook_id}/deliveries/{delivery_id}")
def get_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, service: ServiceDep
) -> DeliveryDetail:
    """Return one delivery with its body and its attempts."""
    with service.sessions() as session:
        WebhookRepository(session).get(webhook_id)
        return DeliveryDetail.of(DeliveryRepository(session).get(webhook_id, delivery_id))


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
def redeliver(webhook_id: WebhookId, delivery_id: DeliveryId, service: ServiceDep) -> DeliveryRead:
    """Send a delivery again at once, whatever its status; `attempts` restarts from 0."""
    with service.sessions.begin() as session:
        return DeliveryRead.of(DeliveryRepository(session).redeliver(webhook_id, delivery_id))


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{webhook_id}"


def _undelivered(session: Session, webhook_id: str) -> int:
    return DeliveryRepository(session).undelivered([webhook_id]).get(webhook_id, 0)


def _with_secret(webhook: Webhook, undelivered: int, response: Response) -> NewWebhook:
    response.headers["cache-control"] = "no-store"
    return NewWebhook.of(webhook, undelivered, secret=webhook.secret)
