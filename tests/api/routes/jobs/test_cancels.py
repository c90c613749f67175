"""Several jobs are cancelled by one request, named by their ids or by a filter."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.core.states import JobState
from db.files.file_store import FileStore
from db.jobs.trials import TrialRepository
from db.spec.trials import TrialRequest
from tests.api.work import finish_job
from tests.factories import make_job, make_key, make_spec

UNKNOWN = "job_" + "0" * 32


def cancel(client: TestClient, headers: dict[str, str] | None = None, **body: Any) -> Any:
    response = client.post("/v1/cancel", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def statuses(client: TestClient, *ids: str) -> list[str]:
    return [client.get(f"/v1/jobs/{one}").json()["status"] for one in ids]


def test_jobs_are_cancelled_by_their_ids_and_each_id_is_accounted_for(
    client: TestClient, sessions: Sessions, store: FileStore
) -> None:
    queued, running = make_job(sessions).id, make_job(sessions, status=JobState.running).id
    done, other = finish_job(sessions, store).id, make_job(sessions).id
    ids = [queued, running, done, UNKNOWN, queued]
    expected = {"cancelled": [queued, running], "ended": [done], "missing": [UNKNOWN]}
    for _ in range(2):  # repeating it changes nothing
        assert cancel(client, ids=ids) == expected | {"has_more": False}
    states = ["cancelled", "cancelling", "succeeded", "queued"]
    assert statuses(client, queued, running, done, other) == states


def test_jobs_are_cancelled_by_a_filter_of_the_list(
    client: TestClient, sessions: Sessions, store: FileStore
) -> None:
    wanted = make_job(sessions, make_spec(model="org/a"), labels={"team": "nlp"}).id
    paused = make_job(sessions, make_spec(model="org/a"), status=JobState.paused).id
    other = make_job(sessions, make_spec(model="org/b")).id
    finish_job(sessions, store, spec=make_spec(model="org/a"))
    assert cancel(client, filter={"model": "org/a", "status": ["paused"]})["cancelled"] == [paused]
    assert cancel(client, filter={"model": "org/a"})["cancelled"] == [wanted]
    assert cancel(client, filter={"status": ["succeeded"]})["cancelled"] == []
    assert statuses(client, wanted, paused, other) == ["cancelled", "cancelled", "queued"]


@pytest.mark.parametrize(
    ("body", "pointer", "remedy"),
    [
        ({}, "", 'as in {"ids": ["job_…"]}'),
        ({"ids": [UNKNOWN], "filter": {"q": "a"}}, "", 'as in {"filter": {"status": ["queued"]}}'),
        ({"ids": []}, "/ids", "Use 1 or more."),
        ({"ids": ["job_1"]}, "/ids/0", "Use something that matches"),
        ({"filter": {}}, "/filter", 'as in {"status": ["queued"]}'),
        ({"filter": {"stauts": ["queued"]}}, "/filter/stauts", "Did you mean status?"),
    ],
)
def test_a_request_that_names_no_jobs_is_refused(
    client: TestClient, sessions: Sessions, body: dict[str, Any], pointer: str, remedy: str
) -> None:
    job_id = make_job(sessions).id
    response = client.post("/v1/cancel", json=body)
    assert response.status_code == 422
    assert [one["pointer"] for one in response.json()["errors"]] == [pointer]
    assert remedy in response.json()["hint"]
    assert statuses(client, job_id) == ["queued"]


def test_a_trial_of_another_keys_job_is_not_cancelled(
    guarded: TestClient, sessions: Sessions, store: FileStore, roots: Path
) -> None:
    (owner, _), (_, token) = make_key(sessions), make_key(sessions)
    tried = finish_job(sessions, store, created_by=owner.id)
    with sessions.begin() as session:
        request = TrialRequest(prompt="a")
        trial = TrialRepository(session).add(tried, request, 9, created_by=owner.id)[1]
    headers = {"authorization": f"Bearer {token}"}
    assert cancel(guarded, headers, ids=[trial.id])["missing"] == [trial.id]
