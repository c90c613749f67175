"""Requests do not block the event loop, on which all streams and polls wait."""

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from db.core.session import Sessions
from db.files.artifacts import ArtifactRepository
from db.files.file_store import FileStore
from tests.api.calls import create
from tests.api.requests import NO_SUCH, operations
from tests.api.work import finish_job

LONGEST_S = 0.05


class LoopSteps:
    """What the event loop does itself, and for which request.

    Attributes:
        longest_s: the processor time of the longest step, which is the same on a busy machine.
        queried: the requests for which the loop has queried the database, and waited meanwhile.
    """

    def __init__(self) -> None:
        self.request = "start"
        self.longest_s: defaultdict[str, float] = defaultdict(float)
        self.queried: set[str] = set()

    @contextmanager
    def watched(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            started = time.thread_time()
            run(handle)
            took_s = time.thread_time() - started
            self.longest_s[self.request] = max(took_s, self.longest_s[self.request])

        monkeypatch.setattr(asyncio.Handle, "_run", timed)
        gc.disable()  # a collection of what other tests have left takes longer
        event.listen(Engine, "before_cursor_execute", self._note_query)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", self._note_query)
            gc.enable()

    def _note_query(self, *_: object) -> None:
        if asyncio._get_running_loop() is not None:  # else it runs on a thread of its own
            self.queried.add(self.request)


def test_no_request_keeps_the_event_loop_for_50_ms_or_queries_the_database_on_it(
    app: FastAPI, sessions: Sessions, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, job = LoopSteps(), finish_job(sessions, store)
    with sessions() as session:
        artifact = ArtifactRepository(session).of_job(job.id)[0]
    with steps.watched(monkeypatch), TestClient(app, base_url="http://127.0.0.1") as client:
        ids = {"job": job.id, "art": artifact.id, "trg": create(client)["id"]}

        def send(verb: str, path: str, body: object = None) -> None:
            for prefix, known in ids.items():
                path = path.replace(f"{prefix}_{NO_SUCH}", known)
            steps.request = f"{verb} {path} {body}"
            client.request(verb, path, json=body, headers={"accept": "text/html"})

        send("put", "/v1/jobs")
        send("get", "/openapi.json")
        send("get", "/docs")
        send("get", "/no/such/page")
        for verb, path, _ in sorted(operations(client), key=lambda one: one[0] == "delete"):
            send(verb, path)
            if verb in {"post", "put", "patch"}:
                send(verb, path, {})
    assert len(steps.longest_s) > 100
    assert {name: s for name, s in steps.longest_s.items() if s > LONGEST_S} == {}
    assert steps.queried == set()
