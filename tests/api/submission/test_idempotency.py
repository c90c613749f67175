"""Repeated requests get the first response, also after an upgrade, and while the first is new."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from threading import Barrier
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from api.core.settings import ApiSettings
from db.access.keys import Quotas
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.tables.jobs import Job, StoredResponse
from tests.api.work import finish_job
from tests.factories import make_key
from tests.hub import Handler, Hub

JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
KINDS = ("job", "rerun", "sweep", "trial")
MAX_TRIALS = 1


class PatientHandler(Handler):
    """Responds to two requests when both have come."""

    both: Barrier

    def respond(self, path: str, body: bytes) -> bool:
        self.both.wait(timeout=300)
        return False


class PatientHub(Hub):
    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Both", (PatientHandler,), {"both": Barrier(2)})


@pytest.fixture
def settings(settings: ApiSettings) -> ApiSettings:
    return settings.model_copy(update={"max_trials": MAX_TRIALS})


@pytest.fixture
def requests(sessions: Sessions, store: ArtifactStore) -> dict[str, tuple[str, dict[str, Any]]]:
    """The path and the body of a request of each kind."""
    path = f"/v1/jobs/{finish_job(sessions, store).id}"
    return {
        "job": ("/v1/jobs", JOB | {"preset": "fast"}),
        "rerun": (f"{path}/rerun", {"preset": "fast"}),
        "sweep": ("/v1/sweeps", JOB | {"grid": {"sparsity": [0.4, 0.5]}, "preset": "fast"}),
        "trial": (f"{path}/trials", {"prompt": "Once"}),
    }


def count(sessions: Sessions) -> int:
    with sessions() as session:
        return len(session.scalars(select(Job.id)).all())


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_is_repeated_after_an_upgrade_that_adds_a_field_or_changes_a_default(
    client: TestClient, sessions: Sessions, requests: Any, kind: str
) -> None:
    path, body = requests[kind]
    headers = {"idempotency-key": "one"}
    first = client.post(path, json=body, headers=headers)
    with sessions.begin() as session:  # what another version made of the same request
        session.execute(update(StoredResponse).values(request_digest="of another version"))

    again = client.post(path, json=dict(reversed(body.items())), headers=headers)

    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    field = "max_tokens" if kind == "trial" else "samples"
    other = client.post(path, json=body | {field: 7}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_whose_response_an_older_version_stored_is_repeated(
    client: TestClient, sessions: Sessions, requests: Any, kind: str
) -> None:
    path, body = requests[kind]
    headers = {"idempotency-key": "one"}
    first = client.post(path, json=body, headers=headers)
    with sessions.begin() as session:
        session.execute(update(StoredResponse).values(sent_digest=None))
    again = client.post(path, json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())


class TestOverlapping:
    """Both requests are checked before one of them is committed: they wait for one hub."""

    @pytest.fixture
    def hub_endpoint(self) -> Iterator[str]:
        with PatientHub() as hub:
            hub.add_model("org/model", {"config.json": b"{}", "model.safetensors": b""})
            yield hub.url

    @pytest.mark.parametrize(
        ("kind", "quota"),
        [("job", 1), ("rerun", 1), ("sweep", 2), ("trial", 1), ("trial", None)],
    )
    def test_a_repetition_gets_the_first_response_although_that_has_used_up_the_quota(
        self, client: TestClient, sessions: Sessions, requests: Any, kind: str, quota: int | None
    ) -> None:
        key, token = make_key(sessions, quotas=Quotas(jobs_in_flight=quota))
        with sessions.begin() as session:  # a trial is of a job of the same key
            session.execute(update(Job).values(created_by=key.id))
        path, body = requests[kind]
        headers = {"authorization": f"Bearer {token}", "idempotency-key": "one"}
        before = count(sessions)

        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda _: client.post(path, json=body, headers=headers), range(2)))

        assert [one.status_code for one in both] == [201, 201], [one.text for one in both]
        assert both[0].json() == both[1].json()
        assert sorted("idempotency-replayed" in one.headers for one in both) == [False, True]
        assert count(sessions) == before + (quota or MAX_TRIALS)
