"""One message, and what came of it."""

from ipaddress import ip_network
from typing import Any

from db.webhooks.dispatch import SendResult
from worker.webhooks.sender import Sender

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
BODY = '{"name":"Žižek"}'
HEADERS = {"webhook-id": "msg_1"}


def send(url: str, **options: Any) -> SendResult:
    usual: dict[str, Any] = {"networks": LOOPBACK, "timeout_s": 60}
    return Sender(**usual | options).send(url, BODY, HEADERS)


def status_and_error(outcome: SendResult) -> tuple[int | None, str | None]:
    """Return what an outcome says, but for its time."""
    return outcome.status, outcome.error
