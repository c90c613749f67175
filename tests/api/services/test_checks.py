import socket
from collections.abc import Iterator
from threading import Event

import pytest

from api.core.settings import ApiSettings
from api.services.checks import hub


@pytest.fixture
def without_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Have names resolved as without a network: after a long time, with an error."""
    over, given_up = Event(), Event()

    def resolve(*_: object, **__: object) -> list[object]:
        over.wait(30)
        given_up.set()
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield given_up
    over.set()


def test_the_hub_is_not_waited_for_longer_than_the_limit(
    without_network: Event, settings: ApiSettings
) -> None:
    limited = settings.model_copy(
        update={"hub_timeout_s": 0.2, "hf_endpoint": "https://hub.invalid"}
    )
    found = hub(limited)
    assert not without_network.is_set()
    assert (found.subject, found.state) == ("hub", "absent")
    assert "https://hub.invalid does not respond: no answer within 0.2 s" in found.text
