"""Limits, quotas, idempotency, audit and metrics across two processes of the API."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from db.access.keys import Quotas
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.schema.migration import migrate
from db.tables.access import AuditEntry
from db.tables.jobs import Job
from tests.db.conftest import postgres  # noqa: F401 - a fixture
from tests.db.postgres import admin
from tests.e2e.api_pair import BURST, JOB, ApiProcess, concurrently, connection, running_pair
from tests.factories import make_job, make_key
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
Pair = list[ApiProcess]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a migrated database for all tests of this module."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('db') / 'zpruner.db'}"
        migrate(url)
        yield url
        return
    folder: Path = request.getfixturevalue("postgres")
    with admin(folder) as connection:
        connection.execute("CREATE DATABASE pair")
        url = f"postgresql+psycopg://postgres@/pair?host={folder}"
        migrate(url)
        yield url
        connection.execute("DROP DATABASE pair WITH (FORCE)")


@pytest.fixture(scope="module")
def sessions(database: str) -> Iterator[Sessions]:
    sessions = open_sessions(database)
    yield sessions
    sessions.kw["bind"].dispose()


@pytest.fixture(scope="module")
def pair(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(database, tmp_path_factory.mktemp("pair")) as pair:
        yield pair


def authorized(pair: Pair, token: str) -> dict[str, str]:
    """Return the header of a key; its requests count for the key once each process has seen it."""
    headers = {"authorization": f"Bearer {token}"}
    for one in pair:
        assert one.http.get("/v1/me", headers=headers).status_code == 200
    return headers


def submit(headers: dict[str, str], client: httpx.Client) -> httpx.Response:
    return client.post("/v1/jobs", json=JOB, headers=headers)


def test_a_key_has_its_rate_once_and_the_headers_tell_what_is_left_in_both(
    pair: Pair, sessions: Sessions
) -> None:
    headers = authorized(pair, make_key(sessions)[1])

    found = concurrently(pair, 2 * BURST, partial(get_me, headers))

    passed = [one for one in found if one.status_code == 200]
    refused = [one for one in found if one.status_code == 429]
    assert {one.status_code for one in found} == {200, 429}
    # One token arrives each minute.
    assert BURST <= len(passed) <= BURST + 2
    remaining = {int(one.headers["ratelimit-remaining"]) for one in passed}
    assert remaining == set(range(BURST))
    assert {one.headers["ratelimit-remaining"] for one in refused} == {"0"}
    assert {one.json()["code"] for one in refused} == {"rate_limited"}
    assert {urlsplit(str(one.url)).port for one in passed} == {
        one.http.base_url.port for one in pair
    }


def get_me(headers: dict[str, str], client: httpx.Client) -> httpx.Response:
    return client.get("/v1/me", headers=headers)


def test_concurrent_submits_to_both_do_not_exceed_a_quota_and_all_are_in_the_audit(
    pair: Pair, sessions: Sessions
) -> None:
    key, token = make_key(sessions, quotas=Quotas(jobs_in_flight=5))
    headers = authorized(pair, token)

    found = concurrently(pair, 24, partial(submit, headers))

    assert sorted(one.status_code for one in found) == [201] * 5 + [429] * 19
    codes = {one.json()["code"] for one in found if one.status_code == 429}
    assert codes == {"quota_exceeded"}
    with sessions() as session:
        jobs = session.scalars(select(Job.id).where(Job.created_by == key.id)).all()
        entries = session.scalars(select(AuditEntry).where(AuditEntry.key_id == key.id)).all()
    assert sorted(jobs) == sorted(one.json()["id"] for one in found if one.status_code == 201)
    answered = sorted((one.headers["x-request-id"], one.status_code) for one in found)
    assert sorted((one.request_id, one.status) for one in entries) == answered


def test_an_idempotency_key_sent_to_both_at_once_makes_one_job(
    pair: Pair, sessions: Sessions
) -> None:
    key, token = make_key(sessions)
    headers = authorized(pair, token)
    for _ in range(8):
        named = headers | {"idempotency-key": uuid4().hex}
        found = concurrently(pair, 6, partial(submit, named))
        assert {one.status_code for one in found} == {201}
        assert len({one.content for one in found}) == 1
        assert sum("idempotency-replayed" not in one.headers for one in found) == 1
    with sessions() as session:
        jobs = session.scalars(select(Job.id).where(Job.created_by == key.id)).all()
    assert len(jobs) == 8


def test_both_return_the_metrics_of_both(pair: Pair) -> None:
    before = counted(pair[0])
    for one in pair:
        assert one.http.get("/readyz").status_code == 503  # neither a worker nor `control` runs
    for one in (pair[0], *pair):
        one.http.get("/v1/methods")

    first, second = map(counted, pair)

    assert first["/readyz", "503"] - before.get(("/readyz", "503"), 0) == 2
    assert first["/v1/methods", "200"] - before.get(("/v1/methods", "200"), 0) == 3
    assert first == second
    memory = [samples(one, "process_resident_memory_bytes") for one in pair]
    assert [{labels["process"] for labels, _ in found} for found in memory] == [{"1", "2"}] * 2
    assert all(value > 0 for found in memory for _, value in found)
    # A request is counted as open until a moment after its response: only the scrape is left.
    eventually(lambda: [opened(one) for one in pair] == [1, 1])


def opened(process: ApiProcess) -> float:
    ((_, value),) = samples(process, "zpruner_http_open_requests")
    return value


def samples(process: ApiProcess, name: str) -> list[tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(process.http.get("/metrics").text)
    found = (sample for family in families for sample in family.samples)
    return [(one.labels, one.value) for one in found if one.name == name]


def counted(process: ApiProcess) -> dict[tuple[str, str], float]:
    """Return the number of requests by route and status, but for those of the metrics."""
    found = samples(process, "zpruner_http_requests_total")
    return {
        (labels["route"], labels["status"]): value
        for labels, value in found
        if labels["route"] != "/metrics" and labels["method"] == "GET"
    }


def test_a_stream_ends_once_its_key_was_revoked_through_the_other_process(
    pair: Pair, sessions: Sessions
) -> None:
    job_id = make_job(sessions, status=JobState.paused).id
    key, token = make_key(sessions)
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {token}"}
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connection(one))) for one in pair]
        streams = []
        for http in connections:
            http.request("GET", f"/v1/jobs/{job_id}/events", headers=headers)
            streams.append(http.getresponse())
            assert streams[-1].readline() == b"retry: 2000\n"
        assert pair[0].http.delete(f"/v1/keys/{key.id}").is_success
        for stream in streams:
            assert b"event: end" not in stream.read()
