"""Fixtures for all tests: a migrated SQLite database, and the count of injected faults."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

from db.core import redaction
from db.core.session import Sessions, open_sessions
from db.schema.migration import migrate
from tests.chaos.tally import Tally
from tests.waiting import DEADLINE_S

pytest_plugins = (
    "tests.suite.durations",
    "tests.suite.groups",
    "tests.suite.leftovers",
    "tests.suite.starts",
    "tests.suite.statements",
    "tests.suite.tiers",
    "tests.bucket_server",
    "tests.e2e.shared_service",
)
SHARED_MEMORY = Path("/dev/shm")
"""Holds all temporary files, if it can: a fifth of the time would pass in writing to a disk."""
ROOM = 8 * 2**30
MANY_MODULES = 100
"""Imported since the last freeze: their objects would make each full collection slower."""
NEW_OBJECTS = 20_000
"""Objects between two garbage collections; the 700 of Python cost a tenth of the time."""
FROZEN = pytest.StashKey[int]()
TALLY = pytest.StashKey[Tally]()
# No limits of time, which a busy machine would exceed; the same examples in each run, so that a
# change is never refused for a fault that was there before it. `--hypothesis-profile=random` draws
# others.
settings.register_profile("random", deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("same", settings.get_profile("random"), derandomize=True)
settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    """Use a data folder of this run by default, never that of the user.

    Set before any test is imported, because some modules read settings at import.
    """
    if _has_room(SHARED_MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(SHARED_MEMORY)
    folder = tempfile.mkdtemp(prefix="zpruner-tests-")
    os.environ["ZPRUNER_DATA_DIR"] = folder
    # The hubs of tests share this process, which may compute for longer than the default of 10 s.
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        os.environ[name] = str(DEADLINE_S)
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    gc.disable()


def _has_room(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return min(shutil.disk_usage(folder).free, psutil.virtual_memory().available) > ROOM


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collect garbage again, but not among what was imported, which are most of all objects."""
    _freeze_modules(session.config)
    gc.set_threshold(NEW_OBJECTS)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Freeze what the test has imported."""
    if len(sys.modules) > item.config.stash[FROZEN] + MANY_MODULES:
        _freeze_modules(item.config)


def _freeze_modules(config: pytest.Config) -> None:
    gc.collect()
    gc.freeze()
    config.stash[FROZEN] = len(sys.modules)


@pytest.fixture(autouse=True)
def _registered_secrets_are_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no test's secret removed from the texts of the next one: some are zeros alone."""
    monkeypatch.setattr(redaction, "_values", dict(vars(redaction)["_values"]))


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """The count of all faults injected in this run."""
    return request.config.stash.setdefault(TALLY, Tally())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass the count of a worker process to the main process."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None and (tally := session.config.stash.get(TALLY, None)) is not None:
        output["faults"] = dict(tally.faults)
        output["violations"] = tally.violations


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add the count of a worker process."""
    output = getattr(node, "workeroutput", {})
    if "faults" in output:
        tally = node.config.stash.setdefault(TALLY, Tally())
        tally.faults.update(output["faults"])
        tally.check("in another process", output["violations"])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the number of injected faults, if any."""
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
    """The URL of a new migrated SQLite database."""
    path = shutil.copy(migrated_sqlite, tmp_path / "zpruner.db")
    return f"sqlite:///{path}"


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    """The URL of a new migrated database."""
    return migrated_sqlite_url


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    """Sessions on a new migrated database."""
    sessions = open_sessions(database_url)
    yield sessions
    sessions.kw["bind"].dispose()
