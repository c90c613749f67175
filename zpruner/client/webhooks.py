"""The webhooks of a service, for its admins; receivers of messages call ``verify``."""

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
        """Create a webhook; by default it is notified when a job ends."""
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
        """Return a webhook."""
        return Webhook.model_validate(await self._transport.get(f"/v1/webhooks/{webhook_id}"))

    @operation
    async def update(self, /, webhook_id: str, **changes: Any) -> Webhook:
        """Change a webhook's ``url``, ``description``, ``events`` or ``enabled``."""
        path = f"/v1/webhooks/{webhook_id}"
        return Webhook.model_validate(
            await self._transport.request_json("PATCH", path, json=changes)
        )

    @operation
    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook and its deliveries."""
        await self._transport.send("DELETE", f"/v1/webhooks/{webhook_id}")

    @operation
    async def rotate(self, webhook_id: str, *, grace_s: int | None = None) -> NewWebhook:
        """Replace a webhook's secret.

        For ``grace_s`` seconds, by default a day, messages are also signed with the old secret.
        """
        body = {} if grace_s is None else {"grace_s": grace_s}
        return NewWebhook.model_validate(await self._post(f"/{webhook_id}/rotate", body))

    @operation
    async def test(self, webhook_id: str) -> Delivery:
        """Send a test message.

        To get the result, pass the returned delivery's id to the method ``delivery``.
        """
        return Delivery.model_validate(await self._post(f"/{webhook_id}/test"))

    @operation
    async def deliveries(
        self, webhook_id: str, *, status: str | None = None, limit: int = 50
    ) -> Sequence[Delivery]:
        """Return at most ``limit`` deliveries of the last thirty days, newest first."""
        params: dict[str, Any] = {"limit": min(limit, 200)}
        if status is not None:
            params["status"] = status
        path = f"/v1/webhooks/{webhook_id}/deliveries"
        rows = await self._transport.rows(path, params, limit)
        return [Delivery.model_validate(row) for row in rows]

    @operation
    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Return a delivery with its body and the results of its latest attempts."""
        path = f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"
        return Delivery.model_validate(await self._transport.get(path))

    @operation
    async def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Send a message again immediately, even if it was delivered."""
        return Delivery.model_validate(
            await self._post(f"/{webhook_id}/deliveries/{delivery_id}/redeliver")
        )

    async def _post(self, below: str, body: dict[str, Any] | None = None) -> Any:
        return await self._transport.request_json("POST", f"/v1/webhooks{below}", json=body)
