"""Fixtures of the tests that need the whole service; one runs for all of them, and no longer.

It has every setting that a test of it needs and that does no harm to the others. So a test must
leave it as it was: ready, with one worker that takes jobs. A test that stops it, or needs another
setting, starts its own with `data_dir` and `tests.e2e.embedded.serving`.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bucket_server import credentials
from tests.e2e.embedded import Service, serving, write_inputs
from tests.e2e.tracing.collector import Collector
from tests.hub_uploads import WritableHub
from tests.suite.groups import UNTIL_GROUP_ENDS
from tests.waiting import DEADLINE_S
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
def collector() -> Iterator[Collector]:
    """What receives the traces of the service."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def shared_service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    inputs: Path,
    hub_of_service: WritableHub,
    collector: Collector,
    s3_server: str,
) -> Iterator[Service]:
    """A service that may send to this machine, reads one bucket, and logs lines of JSON.

    Its leases do not end while a busy machine pauses its worker: a test ends the lease of a job
    itself, which is noticed within a second.
    """
    httpx.put(f"{s3_server}/{INPUTS.removeprefix('s3://')}", timeout=DEADLINE_S).raise_for_status()
    data_dir = tmp_path_factory.mktemp("d")
    settings = {
        "HF_ENDPOINT": hub_of_service.url,
        "HF_HOME": str(data_dir / "huggingface"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "ZPRUNER_INPUT_URLS": INPUTS,
        "ZPRUNER_LEASE_S": "600",
        "ZPRUNER_LOG_FORMAT": "json",
        "ZPRUNER_REAP_EVERY_S": "1",
        "ZPRUNER_TRACING": "true",
        "ZPRUNER_WEBHOOK_NETWORKS": "127.0.0.0/8",
        **credentials(s3_server),
    }
    with request.config.stash[UNTIL_GROUP_ENDS] as until_group_ends:
        yield until_group_ends.enter_context(serving(data_dir, inputs, **settings))


@pytest.fixture(scope="session")
def service(shared_service: Service) -> Service:
    """The shared service."""
    return shared_service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client
