"""Fixtures: a browser, and an API behind the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions, open_sessions
from db.files.artifact_store import ArtifactStore
from db.files.file_store import FileStore
from db.schema.migration import migrate
from tests.api.live import serving as serving_api
from tests.dashboard.browser import WITHIN_MS, Session, chromium, session
from tests.e2e.embedded import Service, submit
from tests.fakes import ListQueue
from tests.waiting import DEADLINE_S
from zpruner import Client

expect.set_options(timeout=WITHIN_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all pages: while it runs, no test in this process can start an event loop."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def tabs(browser: Browser, service: Service) -> Iterator[Session]:
    """A browser profile of one's own, on the service."""
    with session(browser, service.url) as tabs:
        yield tabs


@pytest.fixture(scope="session")
def four(service: Service) -> list[str]:
    """The ids of four jobs, named one of 0 to 3, that have succeeded and that no test changes."""
    with Client(service.url) as client:
        jobs = [submit(client, "tiny", samples=4, name=f"one of {n}") for n in range(4)]
        return [client.jobs.wait(job.id, timeout_s=DEADLINE_S).id for job in jobs]


@dataclass(frozen=True)
class Api:
    """A running API without workers, with its database and files."""

    url: str
    sessions: Sessions
    store: ArtifactStore


@contextmanager
def running_api(folder: Path, inputs: Path, **options: Any) -> Iterator[Api]:
    """Run an API on which no job runs, for what needs none: it starts in a second."""
    database_url = f"sqlite:///{folder}/zpruner.db"
    migrate(database_url)
    fields = {"data_dir": folder, "database_url": database_url}
    roots = {"model_roots": (inputs,), "dataset_roots": (inputs,)}
    settings = ApiSettings.model_validate({"_env_file": None, **fields, **roots, **options})
    sessions = open_sessions(database_url)
    with serving_api(create_app(settings, ListQueue())) as url:
        yield Api(url, sessions, FileStore(settings.artifact_dir))
    sessions.kw["bind"].dispose()


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Iterator[Api]:
    """An API without keys."""
    with running_api(tmp_path_factory.mktemp("api"), inputs) as api:
        yield api


@pytest.fixture
def api_tabs(browser: Browser, api: Api) -> Iterator[Session]:
    """A browser profile of one's own, on that API."""
    with session(browser, api.url) as tabs:
        yield tabs
