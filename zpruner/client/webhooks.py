"""The webhooks of a service, for its admins; ``verify`` is for whoever receives."""

from collections.abc import Sequence
from typing import Any

from zpruner.client.models.webhooks import Delivery, NewWebhook, Webhook
from zpruner.client.resources import Resource
from zpruner.client.signature import SignatureError, verify
from zpruner.client.transport.modes import Mode, operation

__all__ = ["SignatureError", "Webhooks", "verify"]


class Webhooks(Resource[Mode]):
    """The webhooks of a service."""

    @operation
    async def create(
        self, url: str, events: Sequence[str] | None = None, *, description: str = ""
    ) -> NewWebhook:
        """Make a webhook, which is told of a job's end unless ``events`` names others."""
        body: dict[str, Any] = {"url": url, "description": description}
        if events is not None:
            body["events"] = list(events)
        return NewWebhook.model_validate(await self._post("", body))

    @operation
    async def list(self) -> Sequence[Webhook]:
        """Return all webhooks, newest first."""
        return [Webhook.model_validate(row) for row in await self._transport.rows("/v1/webhooks")]

    @operation
    async def get(self, webhook_id: str) -> Webhook:
        """Return one webhook."""
        return Webhook.model_validate(await self._transport.get(f"/v1/webhooks/{webhook_id}"))

    @operation
    async def update(self, /, webhook_id: str, **changes: Any) -> Webhook:
        """Change its ``url``, ``description`` or ``events``, or whether it is ``enabled``."""
        path = f"/v1/webhooks/{webhook_id}"
        return Webhook.model_validate(await self._transport.ask("PATCH", path, json=changes))

    @operation
    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook with all its deliveries."""
        await self._transport.send("DELETE", f"/v1/webhooks/{webhook_id}")

    @operation
    async def rotate(self, webhook_id: str, *, grace_s: int | None = None) -> NewWebhook:
        """Give it a new secret; the old one signs beside it for ``grace_s``, a day by default."""
        body = {} if grace_s is None else {"grace_s": grace_s}
        return NewWebhook.model_validate(await self._post(f"/{webhook_id}/rotate", body))

    @operation
    async def test(self, webhook_id: str) -> Delivery:
        """Send a message that only has to arrive; ``delivery`` tells what came of it."""
        return Delivery.model_validate(await self._post(f"/{webhook_id}/test"))

    @operation
    async def deliveries(
        self, webhook_id: str, *, status: str | None = None, limit: int = 50
    ) -> Sequence[Delivery]:
        """Return at most ``limit`` messages of the last thirty days, newest first."""
        params: dict[str, Any] = {"limit": min(limit, 200)}
        if status is not None:
            params["status"] = status
        path = f"/v1/webhooks/{webhook_id}/deliveries"
        rows = await self._transport.rows(path, params, limit)
        return [Delivery.model_validate(row) for row in rows]

    @operation
    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Return one message with its body and what came of each attempt."""
        path = f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"
        return Delivery.model_validate(await self._transport.get(path))

    @operation
    async def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Send a message again at once, whatever came of it."""
        return Delivery.model_validate(
            await self._post(f"/{webhook_id}/deliveries/{delivery_id}/redeliver")
        )

    async def _post(self, below: str, body: dict[str, Any] | None = None) -> Any:
        return await self._transport.ask("POST", f"/v1/webhooks{below}", json=body)
