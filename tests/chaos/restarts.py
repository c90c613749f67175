"""A service that is being restarted."""

from tests.waiting import eventually
from zpruner import Client
from zpruner.client.transport.errors import ServiceError


def wait_for_answer(client: Client) -> None:
    """Wait until the service responds again."""
    eventually(lambda: _answers(client))


def _answers(client: Client) -> bool:
    try:
        client.jobs.list(limit=1)
    except ServiceError:
        return False
    return True
