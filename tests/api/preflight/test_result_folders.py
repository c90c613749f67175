"""A job that starts from the result of another one is accepted, or refused with the remedy."""

from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from db.core.session import Sessions
from db.files.file_store import FileStore
from db.spec.quality_gate import Verdict
from db.tables.access import AccessScope
from db.tables.jobs import Job
from tests.api.work import finish_job
from tests.factories import make_job, make_key, make_spec
from tests.worker.sources.builders import CONFIG, as_json, model_files

FILES = model_files(report__json=b"{}")
TEXT = "word " * 4000


@pytest.fixture
def first(sessions: Sessions, store: FileStore, roots: Path) -> Job:
    (roots / "text.txt").write_text(TEXT)
    return finish_job(sessions, store, FILES, spec=make_spec(model="local:dense"))


def post(client: TestClient, model: str, path: str = "/v1/jobs", **fields: Any) -> httpx.Response:
    headers = fields.pop("headers", None)
    body = {"model": model, "method": "none", "dataset": "local:text.txt"}
    return client.post(path, json=body | fields, headers=headers)


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    problem = response.json()
    assert problem["hint"]
    return response.status_code, problem["code"], problem["detail"]


def test_a_result_is_accepted_as_a_model_and_the_job_shows_where_it_came_from(
    client: TestClient, first: Job
) -> None:
    response = post(client, f"job:{first.id}")
    assert response.status_code == 201, response.text
    lineage = {"model": "local:dense", "jobs": [first.id]}
    assert response.json()["lineage"] == lineage
    assert client.get(f"/v1/jobs/{response.json()['id']}").json()["lineage"] == lineage
    listed = client.get("/v1/jobs", params={"model": f"job:{first.id}"}).json()["data"]
    assert [one["id"] for one in listed] == [response.json()["id"]]
    assert client.get(f"/v1/jobs/{first.id}").json()["lineage"] is None


def test_a_finished_job_is_reused_for_an_equal_result_of_another_job(
    client: TestClient, sessions: Sessions, store: FileStore, first: Job
) -> None:
    other = finish_job(sessions, store, FILES, spec=make_spec(model="local:dense"))
    spec = make_spec(model=f"job:{first.id}", method="none", dataset="local:text.txt")
    spec = spec.model_copy(update={"sparsity": 0.0})
    done = finish_job(sessions, store, FILES, spec=spec)
    response = post(client, f"job:{other.id}", reuse="if_succeeded")
    assert (response.status_code, response.json()["id"]) == (200, done.id)


def test_the_job_of_a_result_in_use_cannot_be_deleted(client: TestClient, first: Job) -> None:
    user = post(client, f"job:{first.id}").json()["id"]
    status, code, detail = refusal(client.delete(f"/v1/jobs/{first.id}"))
    assert (status, code) == (409, "result_in_use")
    assert user in detail
    client.post(f"/v1/jobs/{user}/cancel")
    assert client.delete(f"/v1/jobs/{first.id}").status_code == 204
    assert refusal(post(client, f"job:{first.id}"))[:2] == (422, "result_not_found")


def test_a_job_without_a_result_is_refused_by_each_way_to_submit(
    client: TestClient, sessions: Sessions, first: Job
) -> None:
    queued = make_job(sessions)
    status, code, detail = refusal(post(client, f"job:{queued.id}"))
    assert (status, code) == (422, "result_unfinished")
    assert "is queued" in detail
    assert f"zpruner wait {queued.id}" in detail
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == first.id).values(verdict=Verdict.failed))
    for path in ("/v1/jobs", "/v1/jobs?dry_run=true", "/v1/estimates"):
        assert refusal(post(client, f"job:{first.id}", path))[:2] == (422, "result_failed")
    grid = {"method": "magnitude", "grid": {"sparsity": [0.2, 0.4]}}
    sweep = post(client, f"job:{first.id}", "/v1/sweeps", **grid)
    assert refusal(sweep)[:2] == (422, "result_failed")


def test_a_result_whose_files_are_not_on_the_disk_is_refused(
    client: TestClient, store: FileStore, first: Job
) -> None:
    store.retract(first.id, 1)
    status, code, detail = refusal(post(client, f"job:{first.id}"))
    assert (status, code) == (422, "result_gone")
    assert "its config.json is missing" in detail
    assert f"zpruner rerun {first.id}" in detail


def searching(first: Job) -> dict[str, Any]:
    """Return the fields of a job whose search starts from that of another one."""
    return {"method": "pgp", "ratio": 0.3, "search_start": f"job:{first.id}"}


@pytest.fixture
def searched(sessions: Sessions, store: FileStore) -> Job:
    """A job that has made a search."""
    spec = make_spec(method="pgp", ratio=0.3, sparsity=0.0)
    return finish_job(sessions, store, {"unit_probabilities.json": b"{}"}, spec=spec)


def test_a_search_is_accepted_as_the_start_of_another_until_its_file_is_gone(
    client: TestClient, store: FileStore, first: Job, searched: Job
) -> None:
    name = f"job:{first.id}"
    response = post(client, name, **searching(searched))
    assert response.status_code == 201, response.text
    assert response.json()["spec"]["search_start"] == f"job:{searched.id}"
    assert refusal(client.delete(f"/v1/jobs/{searched.id}"))[:2] == (409, "result_in_use")
    store.retract(searched.id, 1)
    status, code, detail = refusal(post(client, name, **searching(searched)))
    assert (status, code) == (422, "result_gone")
    assert "its unit_probabilities.json is missing" in detail


def test_a_result_is_checked_as_every_local_model(
    client: TestClient, sessions: Sessions, store: FileStore, first: Job
) -> None:
    quantised = as_json(CONFIG | {"quantization_config": {"quant_method": "x"}})
    job = finish_job(sessions, store, FILES | {"config.json": quantised})
    assert refusal(post(client, f"job:{job.id}"))[:2] == (422, "quantized")
    revision = post(client, f"job:{first.id}", revision="main")
    assert refusal(revision)[:2] == (422, "revision_of_a_folder")


@pytest.mark.parametrize(
    ("scopes", "status", "code"),
    [
        ((AccessScope.jobs_read, AccessScope.jobs_write), 403, "missing_scope"),
        ((AccessScope.jobs_write, AccessScope.artifacts_read), 201, None),
        ((AccessScope.admin,), 201, None),
    ],
)
def test_a_result_needs_a_key_that_may_read_the_files_of_jobs(
    guarded: TestClient,
    sessions: Sessions,
    first: Job,
    scopes: tuple[AccessScope, ...],
    status: int,
    code: str | None,
) -> None:
    headers = {"authorization": f"Bearer {make_key(sessions, *scopes)[1]}"}
    response = post(guarded, f"job:{first.id}", headers=headers)
    assert (response.status_code, response.json().get("code")) == (status, code)


@pytest.mark.parametrize(
    ("scope", "status"), [(AccessScope.jobs_read, 403), (AccessScope.artifacts_read, 201)]
)
def test_the_start_of_a_search_needs_a_key_that_may_read_the_files_of_jobs(
    guarded: TestClient,
    sessions: Sessions,
    first: Job,
    searched: Job,
    scope: AccessScope,
    status: int,
) -> None:
    key = make_key(sessions, AccessScope.jobs_write, scope)[1]
    headers = {"authorization": f"Bearer {key}"}
    response = post(guarded, f"job:{first.id}", headers=headers, **searching(searched))
    assert response.status_code == status, response.text
