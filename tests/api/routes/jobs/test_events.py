"""The events of all jobs, as a list and as a stream."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from api.routes.jobs import events
from db.access.keys import KeyRepository
from db.core.clock import now
from db.core.session import Sessions
from db.events.event_order import order_events
from db.tables.access import ApiKey
from db.tables.jobs import Job
from tests.api.live import serving
from tests.api.services.streams import STREAM, claim, run
from tests.factories import make_job, make_key
from tests.waiting import DEADLINE_S
from worker.control import cleanup


def test_events_of_all_jobs_are_listed_in_one_order(client: TestClient, sessions: Sessions) -> None:
    first, second = make_job(sessions).id, make_job(sessions).id
    run(sessions, first)
    data, following = list[dict[str, Any]](), "/v1/events?limit=3"
    while following:
        response = client.get(following)
        data += response.json()["data"]
        following = response.links.get("next", {}).get("url", "")
    assert [one["position"] for one in data] == list(range(1, 7))
    places = [(one["job_id"], one["seq"]) for one in data[:3]]
    assert places[0] == (first, 1)
    assert set(places[1:]) == {(second, 1), (first, 2)}  # in either order within a millisecond


def test_a_list_is_narrowed_by_kind_and_status(client: TestClient, sessions: Sessions) -> None:
    run(sessions, make_job(sessions).id)
    progress = client.get("/v1/events", params={"kind": "progress"}).json()["data"]
    assert {one["kind"] for one in progress} == {"progress"}
    ended = client.get("/v1/events", params={"status": ["succeeded", "failed"]}).json()["data"]
    assert [one["status"] for one in ended] == ["succeeded"]
    later = client.get("/v1/events", params={"after": ended[0]["position"]}).json()["data"]
    assert later == []


@contextmanager
def stream(url: str, query: str = "", **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    with httpx.stream(
        "GET", f"{url}/v1/events{query}", headers=STREAM | headers, timeout=DEADLINE_S
    ) as response:
        assert response.status_code == 200
        yield frames(response.iter_lines())


def frames(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    frame: dict[str, str] = {}
    for line in lines:
        if not line and frame:
            yield frame
            frame = {}
        elif line:
            name, _, value = line.partition(": ")
            frame[name] = value


def place(frame: dict[str, str]) -> tuple[str, int]:
    data = json.loads(frame["data"])
    return data["job_id"], data["seq"]


def test_a_stream_has_all_later_events_of_all_jobs(app: FastAPI, sessions: Sessions) -> None:
    run(sessions, make_job(sessions).id)
    with serving(app) as url, stream(url) as frames:
        ready = next(frames)
        assert ready["event"] == "ready"
        first, second = make_job(sessions).id, make_job(sessions).id
        claim(sessions, first)
        got = [next(frames) for _ in range(3)]
    # Events of two jobs in the same millisecond may be in either order.
    assert place(got[0]) == (first, 1)
    assert {place(frame) for frame in got[1:]} == {(second, 1), (first, 2)}
    assert [int(frame["id"]) - int(ready["id"]) for frame in got] == [1, 2, 3]


def test_a_stream_that_broke_off_is_resumed_without_a_gap_or_a_repetition(
    app: FastAPI, sessions: Sessions
) -> None:
    with serving(app) as url:
        with stream(url) as frames:
            ready = next(frames)
        job_id = make_job(sessions).id
        with stream(url, **{"last-event-id": ready["id"]}) as frames:
            assert next(frames)["id"] == ready["id"]
            got = [next(frames)]
        run(sessions, job_id, 600)  # more than is kept or read at once
        with stream(url, **{"last-event-id": got[-1]["id"]}) as frames:
            next(frames)
            got += [next(frames) for _ in range(602)]
    assert [place(frame) for frame in got] == [(job_id, seq) for seq in range(1, 604)]


def test_a_stream_is_narrowed_too(app: FastAPI, sessions: Sessions) -> None:
    with serving(app) as url, stream(url, "?status=succeeded") as frames:
        next(frames)
        job_id = make_job(sessions).id
        run(sessions, job_id)
        assert place(next(frames)) == (job_id, 5)


def test_a_silent_stream_says_that_it_lives(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PING_EVERY_S", 0.1)
    with serving(app) as url, stream(url) as frames:
        assert [next(frames)["event"] for _ in range(3)] == ["ready", "ping", "ping"]


@pytest.mark.parametrize("params", [{"after": -1}, {"kind": "A B"}, {"status": "x"}, {"job": "y"}])
def test_what_makes_no_sense_is_refused(client: TestClient, params: dict[str, str]) -> None:
    response = client.get("/v1/events", params=params)
    assert response.status_code == 422
    assert next(iter(params)) in response.json()["errors"][0]["pointer"]


def test_a_stream_ends_once_its_key_is_revoked_or_has_expired(
    guarded: TestClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PING_EVERY_S", 0.1)
    (first, to_revoke), (second, to_expire) = make_key(sessions), make_key(sessions)
    soon = update(ApiKey).where(ApiKey.id == second.id).values(expires_at=now(timedelta(seconds=1)))
    ends: dict[str, Callable[[Session], object]] = {
        to_revoke: lambda session: KeyRepository(session).revoke(first.id),
        to_expire: lambda session: session.execute(soon),
    }
    with serving(cast(FastAPI, guarded.app)) as url:
        for token, end in ends.items():
            with stream(url, authorization=f"Bearer {token}") as frames:
                assert [next(frames)["event"] for _ in range(2)] == ["ready", "ping"]
                with sessions.begin() as session:
                    end(session)
                assert {frame["event"] for frame in frames} <= {"ping"}


def prune(sessions: Sessions, job_id: str) -> None:
    """Let the details of a job go, as if it had ended long ago."""
    order_events(sessions)
    with sessions.begin() as session:
        past = {"finished_at": now(-timedelta(days=2))}
        session.execute(update(Job).where(Job.id == job_id).values(**past))
    assert cleanup.delete_old_events(sessions, events_s=86_400, audit_s=0)


def test_a_client_that_resumes_before_deleted_events_is_informed(
    app: FastAPI, client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    run(sessions, job_id)
    assert client.get("/v1/events").json()["pruned"] == 0
    prune(sessions, job_id)

    listed = client.get("/v1/events?after=1").json()
    kept = [one["position"] for one in listed["data"]]
    assert listed["pruned"] == kept[-1] - 1
    own = client.get(f"/v1/jobs/{job_id}/events", headers=STREAM).text
    assert f'event: pruned\ndata: {{"until": {kept[-1] - 1}}}' in own
    later = STREAM | {"Last-Event-ID": str(kept[-1] - 1)}
    assert "pruned" not in client.get(f"/v1/jobs/{job_id}/events", headers=later).text
    with serving(app) as url, stream(url, "?after=1") as frames:
        first, second, third = (next(frames) for _ in range(3))
        assert (first["event"], second["event"]) == ("ready", "pruned")
        assert json.loads(second["data"]) == {"until": listed["pruned"]}
        assert third["id"] == str(kept[0])
    with serving(app) as url, stream(url, f"?after={listed['pruned']}") as frames:
        assert [next(frames)["event"] for _ in range(2)] == ["ready", "status"]
