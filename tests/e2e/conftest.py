"""Fixtures: inputs of jobs, and services with short folder names, as socket paths are limited."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.embedded import Service, serving, write_inputs
from zpruner import Client


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and a text."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("d")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Iterator[Service]:
    """One service that the tests share which need no settings of their own."""
    with serving(tmp_path_factory.mktemp("d"), inputs) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client
