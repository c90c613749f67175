"""A trial of one key's job does not exist for other keys, whatever they ask for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.files.file_store import FileStore
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.access import AccessScope
from tests.api.work import finish_job
from tests.factories import make_job, make_key, make_spec
from tests.fakes import ListQueue
from tests.worker.sources.builders import model_files, write

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", ""): {"name": "renamed"},
    ("POST", "/trials"): {"prompt": "again"},
}
"""The bodies of requests that need one, by method and by what follows the job's id."""


class Asked:
    """A service whose trial one key has made, and two other keys."""

    def __init__(self, client: TestClient, trial_id: str, tokens: dict[str, str]) -> None:
        self._client, self.trial_id, self._tokens = client, trial_id, tokens

    def __call__(self, who: str, method: str, path: str) -> httpx.Response:
        """Send a request; ``{job_id}`` in its path is the trial's id."""
        url = path.replace("{job_id}", self.trial_id)
        url = url.replace("{trial_id}", self.trial_id).replace("{index}", "0")
        body = BODIES.get((method, path.partition("{job_id}")[2]))
        headers = {"authorization": f"Bearer {self._tokens[who]}"}
        return self._client.request(method, url, json=body, headers=headers)


@pytest.fixture
def app(settings: ApiSettings) -> FastAPI:
    return create_app(settings.model_copy(update={"auth": "keys"}), ListQueue())


@pytest.fixture
def asked(app: FastAPI, sessions: Sessions, store: FileStore, roots: Path) -> Iterator[Asked]:
    write(roots / "model", model_files())
    (owner, token), (_, other) = make_key(sessions), make_key(sessions)
    tokens = {"owner": token, "other": other, "admin": make_key(sessions, AccessScope.admin)[1]}
    spec = make_spec(model="local:model")
    job = finish_job(sessions, store, spec=spec, created_by=owner.id)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        headers = {"authorization": f"Bearer {token}"}
        body = {"prompt": "Once upon a time"}
        trial = client.post(f"/v1/jobs/{job.id}/trials", json=body, headers=headers)
        assert trial.status_code == 201, trial.text
        yield Asked(client, trial.json()["id"], tokens)


def test_every_route_of_a_job_hides_a_trial_from_other_keys(app: FastAPI, asked: Asked) -> None:
    operations = [
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        if "{job_id}" in path
        for method in methods
    ]
    assert len(operations) > 20
    statuses = {one: asked("other", *one).status_code for one in operations}
    assert {one: status for one, status in statuses.items() if status != 404} == {}
    own = asked("owner", "GET", "/v1/jobs/{job_id}").json()
    assert (own["name"], own["status"]) == (None, "queued")


def test_the_key_of_the_tried_job_and_an_admin_read_and_cancel_a_trial(asked: Asked) -> None:
    for who in ("owner", "admin"):
        for path in ("", "/events", "/logs"):
            assert asked(who, "GET", f"/v1/jobs/{{job_id}}{path}").status_code == 200
    assert asked("admin", "POST", "/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert asked("owner", "POST", "/v1/jobs/{job_id}/retry").json()["status"] == "queued"


def test_a_poll_from_memory_hides_a_trial_after_its_key_has_polled_it(
    asked: Asked, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        ClaimRepository(session).claim(asked.trial_id, "gpu@test")
        LeaseRepository(session).succeed(asked.trial_id, 1, {"dense": "a", "pruned": "b"}, [])
    path = "/v1/jobs/{job_id}"
    assert asked("owner", "GET", path).json()["result"] == {"dense": "a", "pruned": "b"}
    hidden = asked("other", "GET", path)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "job_not_found")


def test_neither_all_events_nor_comparisons_show_a_trial(asked: Asked, sessions: Sessions) -> None:
    job = make_job(sessions)
    for who in ("owner", "other", "admin"):
        events = asked(who, "GET", "/v1/events").json()["data"]
        assert job.id in {one["job_id"] for one in events}
        assert asked.trial_id not in {one["job_id"] for one in events}
        compared = asked(who, "GET", f"/v1/compare?ids={job.id},{asked.trial_id}")
        assert compared.status_code == 404
