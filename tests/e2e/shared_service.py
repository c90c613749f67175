"""Fixtures of the tests that need the whole service: in each process of a run, all share one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bucket_server import credentials
from tests.e2e.embedded import Service, serving, write_inputs
from tests.hub_uploads import WritableHub
from zpruner import Client

INPUTS = "s3://zpruner-inputs"
"""The bucket that jobs of the service may read."""


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and a text."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a service of one's own; short, because socket paths are limited."""
    return tmp_path_factory.mktemp("d")


@pytest.fixture(scope="session")
def hub_of_service() -> Iterator[WritableHub]:
    """The hub of the service, without models at first."""
    with WritableHub() as hub:
        yield hub


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    inputs: Path,
    hub_of_service: WritableHub,
    s3_server: str,
) -> Iterator[Service]:
    """A service with a worker, which may send to this machine, and read one bucket."""
    httpx.put(f"{s3_server}/{INPUTS.removeprefix('s3://')}").raise_for_status()
    data_dir = tmp_path_factory.mktemp("d")
    settings = {
        "ZPRUNER_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "HF_ENDPOINT": hub_of_service.url,
        "HF_HOME": str(data_dir / "huggingface"),
        "ZPRUNER_INPUT_URLS": INPUTS,
        **credentials(s3_server),
    }
    with serving(data_dir, inputs, **settings) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client
