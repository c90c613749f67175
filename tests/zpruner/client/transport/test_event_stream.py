"""Follow a job's events from a small real service."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

import pytest
from typer.testing import CliRunner

from tests.zpruner.service import CREATED, Answer, Service, problem
from zpruner import Client, ProblemError, ServiceError
from zpruner.cli.commands.main import app
from zpruner.client.transport import event_stream
from zpruner.client.transport.event_stream import Frame, parse
from zpruner.client.transport.outage import Outage

PATH = "/v1/jobs/job_1/events"
END = "event: end\ndata: {}\n\n"


def frame(seq: int, status: str = "running") -> str:
    data = {"seq": seq, "at": CREATED, "kind": "status", "status": status, "later": 1}
    return f"event: status\ndata: {json.dumps(data)}\nid: {seq}\n\n"


def stream(*frames: str, cut: int | None = None) -> Answer:
    kind = {"Content-Type": "text/event-stream"}
    return Answer(200, "".join(("retry: 2000\n\n", *frames)).encode(), cut=cut, headers=kind)


def test_following_yields_every_event_once_despite_interruptions(
    service: Service, client: Client
) -> None:
    whole = len(stream(frame(1)).body)
    service.prepare(
        PATH,
        stream(frame(1), frame(2), cut=whole + 20),
        Answer(503, problem("not_ready", 503)),
        stream(": ping\n\n", frame(2)),
        stream(frame(3, "succeeded"), END),
    )

    numbers = [event.seq for event in client.jobs.events("job_1", follow=True)]

    assert numbers == [1, 2, 3]
    assert service.resumed == ["0", "1", "1", "2"]


def test_an_unknown_job_is_not_followed(service: Service, client: Client) -> None:
    service.prepare(PATH, Answer(404, problem("job_not_found", 404)))
    with pytest.raises(ProblemError, match="job_not_found"):
        list(client.jobs.events("job_1", follow=True))
    assert len(service.seen) == 1


def test_a_page_of_another_server_is_not_followed(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "Outage", partial(Outage, within_s=-1.0))
    service.prepare(PATH, Answer(200, b"<html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(ServiceError, match="200 with no stream of events, but text/html: is ZPRU"):
        list(client.jobs.events("job_1", follow=True))


def test_comments_are_ignored_and_lines_of_data_are_joined() -> None:
    lines = [": hello", "", "data: a", "data:b", "", "event: end", "data: {}", "", "data: half"]

    async def stream_lines() -> AsyncIterator[str]:
        for line in lines:
            yield line

    async def frames() -> list[Frame]:
        return [frame async for frame in parse(stream_lines())]

    assert asyncio.run(frames()) == [Frame("message", "a\nb"), Frame("end", "{}")]


def test_the_command_line_follows_a_job(service: Service) -> None:
    service.prepare(PATH, stream(frame(1), frame(2, "succeeded"), END))
    runner = CliRunner(env={"ZPRUNER_URL": service.url})

    plain = runner.invoke(app, ["events", "job_1", "-f"]).stdout
    as_json = runner.invoke(app, ["events", "job_1", "-f", "--json", "--after", "1"]).stdout

    assert plain.splitlines()[1] == "2 2026-01-01 00:00:00 status succeeded"
    assert [json.loads(line)["seq"] for line in as_json.splitlines()] == [1, 2]
    assert service.resumed == ["0", "1"]
