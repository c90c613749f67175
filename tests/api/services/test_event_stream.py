import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, insert

from api.core.caller import always_allowed
from api.core.current_values import CommitMarks
from api.services.event_broadcast import MAX_RECENT_FRAMES, EventBroadcast, Frame, Topic
from api.services.event_stream import END, OPENING, StreamStart, follow
from db.core.session import Sessions, open_sessions
from db.core.states import JobState, Phase
from db.jobs.commands import JobCommands
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import JobEvent
from tests.api.live import serving
from tests.api.services.streams import STREAM, advance, claim, run, succeed
from tests.factories import make_job, make_problem
from tests.waiting import DEADLINE_S

UNKNOWN = "job_" + "0" * 32


def ids(text: str) -> list[int]:
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]


def make_history(sessions: Sessions, blocks: int) -> str:
    """Insert a running job with one event for each block."""
    job_id = make_job(sessions, status=JobState.running, attempt=1).id
    status = {"kind": "progress", "status": JobState.running, "phase": Phase.pruning}
    event = status | {"job_id": job_id, "attempt": 1, "data": {}}
    with sessions.begin() as session:  # the job has an event already
        rows = [event | {"seq": 2 + index} for index in range(blocks)]
        session.execute(insert(JobEvent), rows)
    return job_id


def read(client: TestClient, job_id: str, **headers: str) -> str:
    response = client.get(f"/v1/jobs/{job_id}/events", headers=STREAM | headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["vary"] == "accept"
    return response.text


def test_the_stream_of_a_finished_job_sends_all_events_and_ends(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    run(sessions, job_id)

    text = read(client, job_id)

    assert ids(text) == [1, 2, 3, 4, 5]
    opening, first, *_, end = text.removesuffix("\n\n").split("\n\n")
    assert opening == "retry: 2000"
    listed = client.get(f"/v1/jobs/{job_id}/events").text
    assert first.startswith('event: status\ndata: {"seq":1,')
    assert first.splitlines()[1].removeprefix("data: ") in listed
    assert end == "event: end\ndata: {}"


@pytest.mark.parametrize(("last", "rest"), [("2", [3, 4, 5]), ("5", []), ("99", [])])
def test_a_stream_is_resumed_after_the_last_event_that_arrived(
    last: str, rest: list[int], client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    run(sessions, job_id)
    text = read(client, job_id, **{"last-event-id": last})
    assert ids(text) == rest
    assert text.endswith("event: end\ndata: {}\n\n")


def test_a_failure_that_was_retried_is_not_the_end(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    attempt = claim(sessions, job_id)
    with sessions.begin() as session:
        LeaseRepository(session).fail(job_id, attempt, make_problem())
        JobCommands(session).retry(job_id)
    run(sessions, job_id)
    assert ids(read(client, job_id)) == list(range(1, 9))


def test_a_long_history_is_sent_to_its_end(client: TestClient, sessions: Sessions) -> None:
    job_id = make_history(sessions, 2 * MAX_RECENT_FRAMES)
    succeed(sessions, job_id, 1)
    assert ids(read(client, job_id)) == list(range(1, 2 * MAX_RECENT_FRAMES + 3))


def test_a_stream_that_cannot_begin_is_a_problem(client: TestClient, sessions: Sessions) -> None:
    missing = client.get(f"/v1/jobs/{UNKNOWN}/events", headers=STREAM)
    assert (missing.status_code, missing.json()["code"]) == (404, "job_not_found")
    path = f"/v1/jobs/{make_job(sessions).id}/events"
    wrong = client.get(path, headers=STREAM | {"last-event-id": "x"})
    assert wrong.json()["errors"][0]["pointer"] == "header/last-event-id"


@contextmanager
def stream(url: str, **headers: str) -> Iterator[Iterator[str]]:
    with httpx.stream("GET", url, headers=STREAM | headers, timeout=60) as response:
        yield response.iter_lines()


def next_id(lines: Iterator[str]) -> int:
    return next(int(line[4:]) for line in lines if line.startswith("id: "))


def test_an_interrupted_and_resumed_stream_sends_every_event_once_and_in_order(
    app: FastAPI, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    with serving(app) as url:
        events = f"{url}/v1/jobs/{job_id}/events"
        with stream(events) as lines:
            seen = [next_id(lines)]
            attempt = claim(sessions, job_id)
            seen.append(next_id(lines))
        advance(sessions, job_id, attempt, 3)
        with stream(events, **{"last-event-id": str(seen[-1])}) as lines:
            seen.append(next_id(lines))
            succeed(sessions, job_id, attempt)
            rest = list(lines)
    assert seen + ids("\n".join(rest)) == list(range(1, 7))
    assert rest[-3:] == ["event: end", "data: {}", ""]


def make_broadcast(sessions: Sessions) -> EventBroadcast:
    return EventBroadcast(sessions, sessions, CommitMarks(sessions))


async def never() -> bool:
    return False


async def collect(frames: AsyncIterator[bytes]) -> list[int]:
    return ids(b"".join([frame async for frame in frames]).decode())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.01)


def pollers() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "event broadcast"]


def test_one_poller_serves_all_subscribers_and_stops_after_the_last_one(
    sessions: Sessions,
) -> None:
    job_ids = [make_job(sessions).id for _ in range(3)]

    async def listen() -> list[list[int]]:
        broadcast = make_broadcast(sessions)
        tasks = [
            asyncio.create_task(
                collect(follow(broadcast, StreamStart(job_id, seen, is_over=False), always_allowed))
            )
            for job_id in job_ids
            for seen in (0, 0, 1, 1)
        ]
        await until(lambda: bool(pollers()))
        for job_id in job_ids:
            await asyncio.to_thread(run, sessions, job_id, 40)
            assert len(pollers()) <= 1
        told = await asyncio.gather(*tasks)
        await asyncio.sleep(0)
        assert pollers() == []
        return told

    whole = list(range(1, 44))
    assert asyncio.run(listen()) == [whole, whole, whole[1:], whole[1:]] * len(job_ids)


def test_no_event_is_lost_while_the_database_is_unavailable(
    sessions: Sessions, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = make_job(sessions).id
    own = open_sessions(database_url)
    engine = own.kw["bind"]

    async def follow_job() -> list[int]:
        broadcast = make_broadcast(own)
        frames = follow(broadcast, StreamStart(job_id, 0, is_over=False), always_allowed)
        collected = asyncio.create_task(collect(frames))
        # Two by the subscriber, which then waits, and one by the poller.
        await until(lambda: len(reads) >= 3)
        own.configure(bind=None)
        await asyncio.to_thread(run, sessions, job_id)
        await until(lambda: "events could not be read" in caplog.text)
        own.configure(bind=engine)
        return await collected

    reads: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "max(job_events.seq)" in statement:
            reads.append(statement)

    assert asyncio.run(follow_job()) == [1, 2, 3, 4, 5]
    engine.dispose()


def test_an_event_that_a_new_subscriber_reads_reaches_the_waiting_ones(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.services.event_broadcast.POLL_EVERY_S", 3600)
    job_id = make_job(sessions).id

    async def listen() -> list[list[int]]:
        broadcast = make_broadcast(sessions)
        start = StreamStart(job_id, 0, is_over=False, ping_every_s=3600)
        waiting = asyncio.create_task(collect(follow(broadcast, start, always_allowed)))
        await until(lambda: len(reads) >= 2)  # the second finds nothing: the subscriber waits
        await asyncio.to_thread(run, sessions, job_id)
        new = await collect(follow(broadcast, start, always_allowed))
        return [new, await asyncio.wait_for(waiting, DEADLINE_S)]

    reads: list[str] = []

    @event.listens_for(sessions.kw["bind"], "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "max(job_events.seq)" in statement:
            reads.append(statement)

    assert asyncio.run(listen()) == [[1, 2, 3, 4, 5]] * 2


def test_a_subscriber_that_is_behind_the_recent_frames_reads_rows() -> None:
    topic = Topic(last=0)
    assert topic.after(0) == []
    topic.publish([Frame(seq, is_final=False, data=b"") for seq in range(1, MAX_RECENT_FRAMES + 3)])
    assert topic.after(MAX_RECENT_FRAMES + 2) == []
    assert topic.after(1) is None
    kept = topic.after(2)
    assert kept is not None
    assert [frame.seq for frame in kept] == list(range(3, MAX_RECENT_FRAMES + 3))


@pytest.mark.parametrize("blocks", [1, 3 * MAX_RECENT_FRAMES])
def test_a_stream_stops_once_the_callers_key_is_not_valid_any_longer(
    sessions: Sessions, blocks: int
) -> None:
    job_id = make_history(sessions, blocks)

    async def listen() -> bytes:
        start = StreamStart(job_id, 0, is_over=False, ping_every_s=3600)
        return b"".join([frame async for frame in follow(make_broadcast(sessions), start, never)])

    told = asyncio.run(listen())
    assert told.startswith(OPENING)
    assert END not in told
