"""Fixtures: a small fake service, the real one, and a client of the fake."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.zpruner.live import Live, live_service
from tests.zpruner.service import Service, serving
from zpruner.client.client import Client


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Live]:
    with live_service(tmp_path_factory.mktemp("live"), migrated_sqlite) as live:
        yield live
