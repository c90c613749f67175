"""The API while another process has locked the database."""

import inspect
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr
from sqlalchemy import make_url

import api.app
from api.app import ROUTERS, create_app
from api.core.scopes import READING
from api.core.settings import ApiSettings
from api.middleware import writers
from db.access.keys import KeyRepository
from db.core.session import Sessions, open_sessions
from db.tables.access import AccessScope
from tests.api.live import serving
from tests.api.requests import bearer
from tests.factories import make_job, make_key
from tests.fakes import ListQueue
from tests.waiting import DEADLINE_S, eventually

AT_ONCE = 2 * writers.WRITERS + 12
"""More than all threads of the API."""
READS = ("/healthz", "/v1/jobs", "/v1/events", "/v1/me", "/v1/workers")


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold the database's only write lock, as a backup or a shell can."""
    holder = sqlite3.connect(make_url(url).database or "", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE").close()
    try:
        yield
    finally:
        holder.rollback()
        holder.close()


@pytest.fixture
def sessions(migrated_sqlite_url: str) -> Iterator[Sessions]:
    opened = open_sessions(migrated_sqlite_url)
    yield opened
    opened.kw["bind"].dispose()


@pytest.fixture
def impatient(
    settings: ApiSettings, migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> FastAPI:
    """The application on SQLite, with an eighth of its timeouts."""
    monkeypatch.setattr(api.app, "BUSY_TIMEOUT", timedelta(seconds=0.5))
    monkeypatch.setattr(writers, "MAX_WAIT_S", 0.5)
    url = SecretStr(migrated_sqlite_url)
    own = settings.model_copy(update={"database_url": url, "rate_limit_per_minute": 0})
    return create_app(own, ListQueue())


def test_while_the_database_is_locked_reads_succeed_and_changes_fail(
    impatient: FastAPI, migrated_sqlite_url: str, sessions: Sessions
) -> None:
    make_job(sessions)  # its event has no place yet, and cannot be given one
    _, written = make_key(sessions, AccessScope.admin)  # its use cannot be noted
    with (
        serving(impatient) as url,
        httpx.Client(base_url=url, headers=bearer(written), timeout=60) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        body = {"name": "one more", "scopes": ["jobs:read"]}

        def change() -> httpx.Response:
            return client.post("/v1/keys", json=body)

        with locked(migrated_sqlite_url):
            changes = [pool.submit(change) for _ in range(AT_ONCE)]
            for path in READS:
                assert client.get(path).status_code == 200
            refused = [one.result() for one in as_completed(changes)]
        eventually(lambda: change().status_code == 201)

    assert {one.status_code for one in refused} == {503}
    assert {one.json()["code"] for one in refused} <= {"busy", "database_unavailable"}
    assert {one.headers["retry-after"] for one in refused} == {"5"}
    assert all(one.json()["retryable"] for one in refused)
    with sessions() as session:
        assert len(KeyRepository(session).all()) == 2


def test_a_short_lock_delays_changes_and_fails_none(
    settings: ApiSettings, migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.app, "BUSY_TIMEOUT", timedelta(seconds=DEADLINE_S))
    monkeypatch.setattr(writers, "MAX_WAIT_S", DEADLINE_S)
    own = settings.model_copy(update={"database_url": SecretStr(migrated_sqlite_url)})
    with (
        serving(create_app(own, ListQueue())) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        changes: list[Future[httpx.Response]] = []
        with locked(migrated_sqlite_url):
            for name in "abcd":
                body = {"name": name, "scopes": ["jobs:read"]}
                changes.append(pool.submit(client.post, "/v1/keys", json=body))
            assert client.get("/v1/jobs").status_code == 200
        assert [one.result().status_code for one in changes] == [201] * 4


def test_every_endpoint_that_may_write_runs_on_a_writer_thread() -> None:
    routes = [one for router in ROUTERS for one in router.routes if isinstance(one, APIRoute)]
    unsafe = [one for one in routes if not READING.issuperset(one.methods or ())]
    assert len(unsafe) > 20
    assert [one.path for one in unsafe if not inspect.iscoroutinefunction(one.endpoint)] == []
