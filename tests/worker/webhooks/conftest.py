"""What the dispatcher does is tried on both databases, and with names of one's own."""

import socket
from typing import Any

import pytest

from tests.db.conftest import database_url, migrated_postgres_url, postgres

__all__ = ["database_url", "migrated_postgres_url", "postgres"]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server of one's own: the answers to each name, one after the other."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **options: Any) -> Any:
        addresses = answers.get(host)
        if addresses is None:
            return real(host, *args, **options)
        found = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [one for address in found.split() for one in real(address, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers
