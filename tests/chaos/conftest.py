"""Worlds to break, on both databases, and the count of what was broken."""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from db.core.session import Sessions, open_sessions
from tests.chaos.inputs import write_inputs
from tests.chaos.programs import World
from tests.db.conftest import (  # noqa: F401 - fixtures
    database_url,
    migrated_postgres_url,
    postgres,
)


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """What starts processes that have everything loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.warm"])
    return context


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of three blocks and a few rows of ids."""
    folder = tmp_path_factory.mktemp("chaos") / "inputs"
    write_inputs(folder)
    return folder


@pytest.fixture
def world(tmp_path: Path, database_url: str, inputs: Path) -> World:  # noqa: F811 - the fixture
    """A world of one's own."""
    (tmp_path / "inputs").symlink_to(inputs)
    return World(database_url, tmp_path)


@pytest.fixture
def sessions(world: World) -> Iterator[Sessions]:
    sessions = open_sessions(world.database)
    yield sessions
    sessions.kw["bind"].dispose()
