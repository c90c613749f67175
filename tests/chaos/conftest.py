"""Worlds to break, on both databases, and the count of what was broken."""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from db.core.session import Sessions, open_sessions
from tests.chaos.forks import Forks
from tests.chaos.programs import World
from tests.chaos.stage import Stage
from tests.chaos.tally import Tally
from tests.db.conftest import (  # noqa: F401 - fixtures
    database_url,
    migrated_postgres_url,
    postgres,
)


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """What starts processes that have everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.forks"])
    return context


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:  # noqa: F811 - the fixture
    """A world of one's own."""
    return World(database_url, tmp_path)


@pytest.fixture
def sessions(world: World) -> Iterator[Sessions]:
    sessions = open_sessions(world.database)
    yield sessions
    sessions.kw["bind"].dispose()


@pytest.fixture
def stage(
    world: World, sessions: Sessions, processes: ForkServerContext, tally: Tally
) -> Iterator[Stage]:
    forks = Forks(processes, world)
    yield Stage(world, sessions, forks, tally)
    forks.close()
