"""The signature headers of a message, as Standard Webhooks defines them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook


def signed_headers(
    message_id: str, body: str, secrets: Sequence[str], at: datetime | None = None
) -> dict[str, str]:
    """Return the headers for one attempt to send a message, with one signature per valid secret."""
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
