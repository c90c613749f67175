"""Random requests to two API processes while jobs change: no response is older than its request."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from random import Random

import pytest

from db.access.keys import KeyRepository
from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.jobs.commands import JobCommands
from tests.db.conftest import database_url, migrated_postgres_url, postgres  # noqa: F401 - fixtures
from tests.e2e.api_pair import ApiProcess, connection, running_pair
from tests.factories import make_job, make_key

pytestmark = pytest.mark.e2e
CALLERS, STEPS_EACH = 2, 1000
JOBS = 4


@pytest.fixture
def pair(database_url: str, tmp_path: Path) -> Iterator[list[ApiProcess]]:  # noqa: F811 - a fixture
    with running_pair(database_url, tmp_path, ZPRUNER_RATE_LIMIT_PER_MINUTE="0") as pair:
        yield pair


class Caller:
    """A client of both processes that takes random steps.

    Attributes:
        newest: the newest version of each job that any caller has seen or made; shared by all.
    """

    def __init__(
        self, seed: int, pair: list[ApiProcess], sessions: Sessions, newest: dict[str, int]
    ) -> None:
        self._random, self._sessions, self._newest = Random(seed), sessions, newest
        self._connections = [connection(one) for one in pair]
        self._tags = dict.fromkeys(newest, '"none"')

    def take_steps(self, count: int) -> None:
        steps = [self.poll, self.rename, self.rename_as_another_process, self.revoke_a_key]
        for step in self._random.choices(steps, weights=[85, 6, 6, 1], k=count):
            step()
        for one in self._connections:
            one.close()

    def poll(self) -> None:
        """Request a job with the last tag, which may be an old one."""
        job_id = self._job()
        at_least = self._newest[job_id]
        known = {"if-none-match": self._tags[job_id]} if self._random.random() < 0.9 else {}
        response = self._call("GET", f"/v1/jobs/{job_id}", **known)
        assert response.status in {200, 304}
        if response.status == 304:
            assert response.headers["etag"] == self._tags[job_id]
        self._note(job_id, response, at_least)

    def rename(self) -> None:
        job_id = self._job()
        at_least = self._newest[job_id]
        response = self._call("PATCH", f"/v1/jobs/{job_id}", {"name": self._name()})
        assert response.status == 200
        self._note(job_id, response, at_least)

    def rename_as_another_process(self) -> None:
        """Write to the database as a worker does, without any API process."""
        job_id = self._job()
        with self._sessions.begin() as session:
            job = JobCommands(session).describe(job_id, name=self._name(), labels={}, priority=0)
            version = job.version
        self._see(job_id, version)

    def revoke_a_key(self) -> None:
        key, token = make_key(self._sessions)
        headers = {"authorization": f"Bearer {token}"}
        for one in self._connections:
            assert self._me(one, headers) == 200
        if self._random.random() < 0.5:
            assert self._call("DELETE", f"/v1/keys/{key.id}").status in {200, 204}
        else:
            with self._sessions.begin() as session:
                KeyRepository(session).revoke(key.id)
        assert [self._me(one, headers) for one in self._connections] == [401, 401]

    def _note(self, job_id: str, response: HTTPResponse, at_least: int) -> None:
        tag = response.headers["etag"]
        version = re.fullmatch(rf'"{job_id}-(\d+)"', tag)
        assert version is not None
        assert int(version[1]) >= at_least
        self._see(job_id, int(version[1]))
        if self._random.random() < 0.9:
            self._tags[job_id] = tag

    def _see(self, job_id: str, version: int) -> None:
        with LOCK:
            self._newest[job_id] = max(self._newest[job_id], version)

    def _call(self, method: str, path: str, body: object = None, **headers: str) -> HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        one = self._random.choice(self._connections)
        one.request(method, path, content, named | {"content-type": "application/json"})
        response = one.getresponse()
        response.read()
        return response

    def _me(self, one: HTTPConnection, headers: dict[str, str]) -> int:
        one.request("GET", "/v1/me", headers=headers)
        response = one.getresponse()
        response.read()
        return response.status

    def _job(self) -> str:
        return self._random.choice(list(self._tags))

    def _name(self) -> str:
        return f"name {self._random.random()}"


LOCK = threading.Lock()


def follow(one: ApiProcess, job_id: str) -> list[int]:
    """Return the numbers of a job's events as its stream sends them, until the job has ended."""
    with closing(connection(one)) as http:
        http.request("GET", f"/v1/jobs/{job_id}/events", headers={"accept": "text/event-stream"})
        text = http.getresponse().read().decode()
    assert text.endswith("event: end\ndata: {}\n\n")
    return [int(number) for number in re.findall(r"^id: (\d+)$", text, re.MULTILINE)]


def test_no_response_is_stale_and_no_event_is_missed(
    pair: list[ApiProcess], sessions: Sessions
) -> None:
    jobs = [make_job(sessions, status=JobState.paused).id for _ in range(JOBS)]
    newest = dict.fromkeys(jobs, 1)
    callers = [Caller(seed, pair, sessions, newest) for seed in range(CALLERS)]
    with ThreadPoolExecutor(CALLERS + 2 * JOBS) as pool:
        streams = [pool.submit(follow, one, job_id) for one in pair for job_id in jobs]
        for done in [pool.submit(caller.take_steps, STEPS_EACH) for caller in callers]:
            done.result()
        with sessions.begin() as session:
            for job_id in jobs:
                JobCommands(session).cancel(job_id)
        followed = [one.result() for one in streams]
    with sessions() as session:
        last = EventRepository(session).newest_events(jobs)
    assert followed == [list(range(1, last[job_id] + 1)) for _ in pair for job_id in jobs]
    assert min(last.values()) > STEPS_EACH * CALLERS * 0.1 / JOBS / 2
