"""Fixtures for all tests: a migrated SQLite of one's own, and the count of faults."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.core.session import Sessions, migrate, open_sessions
from tests.chaos.tally import Tally

TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """The count of all faults of this run."""
    return request.config.stash.setdefault(TALLY, Tally())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand this process's count to the one that started it."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None and (tally := session.config.stash.get(TALLY, None)) is not None:
        told["faults"] = dict(tally.faults)
        told["violations"] = tally.violations


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add what a process has counted."""
    told = getattr(node, "workeroutput", {})
    if "faults" in told:
        tally = node.config.stash.setdefault(TALLY, Tally())
        tally.faults.update(told["faults"])
        tally.check("in another process", told["violations"])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many faults were injected, where any were."""
    if (tally := config.stash.get(TALLY, None)) is not None:
        terminalreporter.write_line(f"chaos: {tally}")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated empty database file, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def migrated_sqlite_url(tmp_path: Path, migrated_sqlite: Path) -> str:
    """The URL of a migrated SQLite of one's own."""
    path = shutil.copy(migrated_sqlite, tmp_path / "zpruner.db")
    return f"sqlite:///{path}"


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    """The URL of a migrated database of one's own."""
    return migrated_sqlite_url


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    """Sessions on a migrated database of one's own."""
    sessions = open_sessions(database_url)
    yield sessions
    sessions.kw["bind"].dispose()
