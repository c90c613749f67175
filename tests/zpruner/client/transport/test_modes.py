"""A job's own methods, and the async client, against the real application."""

import asyncio
import copy
import inspect
import pickle
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.core.problem import Problem
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.factories import make_job, make_problem
from tests.waiting import DEADLINE_S
from tests.zpruner.live import Live
from tests.zpruner.service import Answer, Service, problem
from tests.zpruner.service import job as job_body
from zpruner import AsyncClient, Client, Event, Job, NoFilesError, ProblemError, ServiceError
from zpruner.client.transport.modes import iteration, operation

WANTED: dict[str, Any] = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[Client]:
    with Client(live.url) as client:
        yield client


def fail(live: Live, job_id: str, found: Problem) -> None:
    with live.sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@test")
        LeaseRepository(session).fail(job_id, 1, found)


def test_the_methods_of_a_job_work(live: Live, client: Client) -> None:
    job = client.jobs.create(**WANTED)
    seen: list[str] = []

    def end(now: Job) -> None:
        seen.append(now.status)
        if now.status == "queued":
            fail(live, job.id, make_problem(code="made_up"))

    ended = job.wait(timeout_s=DEADLINE_S, on_change=end)

    assert (seen[0], seen[-1], ended.status) == ("queued", "failed", "failed")
    assert (job.status, job.refresh().status) == ("queued", "failed")  # the old object is unchanged
    assert job.refresh() == client.jobs.get(job.id)
    statuses = [event.status for event in job.events()]
    assert statuses == [event.status for event in job.events(follow=True)]
    assert statuses == ["queued", "running", "failed"]
    with pytest.raises(NoFilesError, match="made_up"):
        ended.download("anywhere")
    again = client.jobs.retry(job.id)
    assert again.cancel().cancel().status == "cancelled"


def test_waiting_for_a_job_ends_at_the_timeout(live: Live, client: Client) -> None:
    job = client.jobs.get(make_job(live.sessions).id)
    with pytest.raises(TimeoutError, match="still queued"):
        job.wait(timeout_s=0)


def test_jobs_from_lists_and_reruns_have_the_same_methods(live: Live, client: Client) -> None:
    job = make_job(live.sessions, name="listed")
    (listed,) = client.jobs.list(q="listed")
    rerun = client.jobs.rerun(job.id, name="again")
    assert (listed.cancel().id, rerun.cancel().status) == (job.id, "cancelled")


def test_a_job_that_is_copied_or_pickled_keeps_its_fields(live: Live, client: Client) -> None:
    job = client.jobs.get(make_job(live.sessions).id)

    assert copy.deepcopy(job).refresh().id == job.id
    for alone in (pickle.loads(pickle.dumps(job)), Job.model_validate(job.model_dump())):
        assert alone.model_dump() == job.model_dump()
        with pytest.raises(RuntimeError, match="belongs to no client"):
            alone.refresh()


def test_the_async_client_waits_for_many_jobs_at_once(live: Live) -> None:
    async def all_of_them() -> list[str]:
        async with AsyncClient(live.url) as client:
            jobs = await asyncio.gather(*(client.jobs.create(**WANTED) for _ in range(20)))
            waits = [asyncio.create_task(job.wait(timeout_s=300)) for job in jobs]
            for job in jobs:
                await job.cancel()
            return [job.status for job in await asyncio.gather(*waits)]

    assert asyncio.run(all_of_them()) == ["cancelled"] * 20


def test_the_async_client_follows_events_while_it_does_something_else(live: Live) -> None:
    async def followed() -> list[Event]:
        async with AsyncClient(live.url) as client:
            job, found = await client.jobs.create(**WANTED), list[Event]()
            async for event in job.events(follow=True):
                found.append(event)
                if event.status == "queued":
                    await job.cancel()
            return found

    assert [event.status for event in asyncio.run(followed())] == ["queued", "cancelled"]


def test_following_may_stop_at_any_time(live: Live, client: Client) -> None:
    job = client.jobs.get(make_job(live.sessions).id)

    async def first() -> Event:
        async with AsyncClient(live.url) as other:
            async for event in other.jobs.events(job.id, follow=True):
                return event
        raise AssertionError("there was none")

    assert next(job.events(follow=True)) == asyncio.run(first())
    assert job.refresh().status == "queued"  # its connection was released


def test_both_clients_return_the_same(live: Live, client: Client, tmp_path: Path) -> None:
    job_id = make_job(live.sessions).id
    other_id = make_job(live.sessions).id
    text = tmp_path / "text.txt"
    text.write_text("Some words to calibrate on. " * 50)
    calls: dict[str, Callable[[Any], Any]] = {
        "upload": lambda one: one.datasets.upload(text),
        "datasets": lambda one: one.datasets.list(),
        "get": lambda one: one.jobs.get(job_id),
        "preview": lambda one: one.jobs.preview(**WANTED),
        "list": lambda one: one.jobs.list(limit=3),
        "facets": lambda one: one.jobs.facets(),
        "artifacts": lambda one: one.jobs.artifacts(job_id),
        "compare": lambda one: one.compare(job_id, other_id),
        "me": lambda one: one.me(),
        "workers": lambda one: one.workers.list(),
        "queues": lambda one: one.workers.queues(),
        "sweep": lambda one: one.sweeps.preview(
            "org/model", "wikitext2", grid={"sparsity": [0.4, 0.5]}
        ),
        "sweeps": lambda one: one.sweeps.list(),
        "keys": lambda one: one.keys.list(),
        "triggers": lambda one: one.triggers.list(),
        "webhooks": lambda one: one.webhooks.list(),
    }

    async def answers() -> dict[str, Any]:
        async with AsyncClient(live.url) as one:
            return {name: _plain(await call(one)) for name, call in calls.items()}

    expected = {name: _plain(call(client)) for name, call in calls.items()}
    for name, answer in asyncio.run(answers()).items():
        assert _timeless(answer) == _timeless(expected[name]), name


def _plain(answer: Any) -> Any:
    if isinstance(answer, list):
        return [one.model_dump() for one in answer]
    return answer.model_dump()


def _timeless(answer: Any) -> Any:
    """Remove fields that change between the two requests."""
    if isinstance(answer, list):
        return [_timeless(one) for one in answer]
    return {name: value for name, value in answer.items() if name != "oldest_age_seconds"}


def test_both_clients_raise_the_same_errors(live: Live, client: Client) -> None:
    async def refused() -> None:
        async with AsyncClient(live.url) as one:
            await one.jobs.get("job_" + "0" * 32)

    with pytest.raises(ProblemError) as theirs:
        asyncio.run(refused())
    with pytest.raises(ProblemError) as ours:
        client.jobs.get("job_" + "0" * 32)
    assert str(theirs.value) == str(ours.value)


def test_the_async_client_repeats_a_request_whose_response_was_lost(service: Service) -> None:
    soon = Answer(429, problem("rate_limited", 429), headers={"Retry-After": "0"})
    lost = Answer(201, job_body("queued"), cut=10)
    service.prepare("/v1/jobs", lost, soon, Answer(201, job_body("queued")))

    async def submitted() -> Job[Any]:
        async with AsyncClient(service.url) as client:
            return await client.jobs.create(**WANTED)

    assert asyncio.run(submitted()).status == "queued"
    assert len(service.keys) == 3
    assert len(set(service.keys)) == 1


def test_the_async_client_names_an_unreachable_service() -> None:
    async def request() -> None:
        async with AsyncClient("http://127.0.0.1:9") as client:
            await client.jobs.get("job_1")

    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"):
        asyncio.run(request())


def test_the_blocking_client_works_inside_a_running_loop(live: Live, client: Client) -> None:
    """As in a notebook."""
    job_id = make_job(live.sessions).id

    async def cell() -> list[str]:
        return [event.status for event in client.jobs.get(job_id).events()]

    assert asyncio.run(cell()) == ["queued"]


def test_methods_keep_their_signatures_and_docstrings(client: Client) -> None:
    assert list(inspect.signature(client.jobs.create).parameters)[:3] == [
        "model",
        "sparsity",
        "dataset",
    ]
    assert "Submit a job" in (inspect.getdoc(client.jobs.create) or "")
    assert client.jobs.create.__name__ == "create"
    written = [*vars(type(client.jobs)).values(), *vars(Job).values()]
    assert all(one.__doc__ for one in written if isinstance(one, operation | iteration))


def test_a_coroutine_that_suspends_is_refused(client: Client) -> None:
    class Strange(Job):
        @operation
        async def sleep(self) -> None:
            await asyncio.sleep(0)

    strange = Strange.model_validate({"id": "job_1", "status": "x", "created_at": 0})
    strange._transport = client.jobs._transport
    slept: Callable[[], Coroutine[Any, Any, None] | None] = strange.sleep
    with pytest.raises(RuntimeError, match="only an AsyncClient"):
        slept()
