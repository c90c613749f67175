"""The webhooks of a service, for its admins; ``verify`` is for whoever receives."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from zpruner.signature import SignatureError, verify
from zpruner.transport import Transport
from zpruner.webhook_models import Delivery, NewWebhook, Webhook

__all__ = ["SignatureError", "Webhooks", "verify"]


class Webhooks:
    """The webhooks of a service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, url: str, events: Sequence[str] | None = None, *, description: str = ""
    ) -> NewWebhook:
        """Make a webhook, which is told of a job's end unless ``events`` names others."""
        body: dict[str, Any] = {"url": url, "description": description}
        if events is not None:
            body["events"] = list(events)
        return NewWebhook.model_validate(self._post("", body))

    def list(self) -> Sequence[Webhook]:
        """Return all webhooks, newest first."""
        return [Webhook.model_validate(row) for row in self._transport.pages("/v1/webhooks")]

    def get(self, webhook_id: str) -> Webhook:
        """Return one webhook."""
        return Webhook.model_validate(self._transport.get(f"/v1/webhooks/{webhook_id}"))

    def update(self, webhook_id: str, **changes: Any) -> Webhook:
        """Change its ``url``, ``description`` or ``events``, or whether it is ``enabled``."""
        path = f"/v1/webhooks/{webhook_id}"
        return Webhook.model_validate(self._transport.send("PATCH", path, json=changes).json())

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook with all its deliveries."""
        self._transport.send("DELETE", f"/v1/webhooks/{webhook_id}")

    def rotate(self, webhook_id: str, *, grace_s: int | None = None) -> NewWebhook:
        """Give it a new secret; the old one signs beside it for ``grace_s``, a day by default."""
        body = {} if grace_s is None else {"grace_s": grace_s}
        return NewWebhook.model_validate(self._post(f"/{webhook_id}/rotate", body))

    def test(self, webhook_id: str) -> Delivery:
        """Send a message that only has to arrive; ``delivery`` tells what came of it."""
        return Delivery.model_validate(self._post(f"/{webhook_id}/test"))

    def deliveries(
        self, webhook_id: str, *, status: str | None = None, limit: int = 50
    ) -> Sequence[Delivery]:
        """Return at most ``limit`` messages of the last thirty days, newest first."""
        return list(islice(self._deliveries(webhook_id, status, limit), limit))

    def delivery(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Return one message with its body and what came of each attempt."""
        path = f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"
        return Delivery.model_validate(self._transport.get(path))

    def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Send a message again at once, whatever came of it."""
        return Delivery.model_validate(
            self._post(f"/{webhook_id}/deliveries/{delivery_id}/redeliver")
        )

    def _deliveries(self, webhook_id: str, status: str | None, limit: int) -> Iterator[Delivery]:
        params: dict[str, Any] = {"limit": min(limit, 200)}
        if status is not None:
            params["status"] = status
        for row in self._transport.pages(f"/v1/webhooks/{webhook_id}/deliveries", params):
            yield Delivery.model_validate(row)

    def _post(self, below: str, body: dict[str, Any] | None = None) -> Any:
        return self._transport.send("POST", f"/v1/webhooks{below}", json=body).json()
