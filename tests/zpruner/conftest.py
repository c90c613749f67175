"""Fixtures: a small service, and a client of it."""

from collections.abc import Iterator

import pytest

from tests.zpruner.service import Service, serving
from zpruner.client import Client


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client
