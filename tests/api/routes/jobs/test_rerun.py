import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from tests.api.work import finish_job
from tests.factories import make_job, make_spec
from tests.fakes import ListQueue

UNKNOWN = "job_" + "0" * 32


def test_a_retry_queues_and_pushes_the_same_job_again(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    job_id = make_job(sessions, status=JobState.failed, attempt=1, error={"code": "x"}).id

    response = client.post(f"/v1/jobs/{job_id}/retry")

    assert response.status_code == 200
    read = client.get(f"/v1/jobs/{job_id}")
    assert response.json() == read.json()
    assert response.headers["etag"] == read.headers["etag"]
    assert (read.json()["status"], read.json()["error"]) == ("queued", None)
    assert queue.ids == [job_id]


def test_a_rerun_has_pins_only_if_it_sets_them(client: TestClient, sessions: Sessions) -> None:
    expect = {"calibration": "1f"}
    job_id = make_job(sessions, make_spec(expect=expect)).id
    for changes, expected in (({}, None), ({"expect": expect}, expect)):
        body = client.post(f"/v1/jobs/{job_id}/rerun?dry_run=true", json=changes).json()
        assert body["spec"]["expect"] == expected


def test_what_is_not_over_or_went_well_is_not_retried(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    job_id = make_job(sessions).id
    response = client.post(f"/v1/jobs/{job_id}/retry")
    assert (response.status_code, response.json()["code"]) == (409, "invalid_state")
    assert response.json()["hint"] == "A job that is queued allows: cancel, pause, rerun."
    assert client.post(f"/v1/jobs/{UNKNOWN}/retry").status_code == 404
    assert queue.ids == []


def test_a_retry_of_a_job_that_has_changed_since_is_412(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions, status=JobState.failed).id
    etag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    headers = {"if-match": etag}
    assert client.post(f"/v1/jobs/{job_id}/retry", headers=headers).status_code == 200
    again = client.post(f"/v1/jobs/{job_id}/retry", headers=headers)
    assert (again.status_code, again.json()["code"]) == (412, "stale_version")


def test_a_rerun_is_a_new_job_with_its_changes_and_its_parent(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    spec = make_spec(method="wanda", seed=7)
    fields = {"labels": {"a": "b"}, "status": JobState.succeeded, "min_memory_bytes": 24 * 10**9}
    parent = make_job(sessions, spec, name="first", **fields)

    response = client.post(f"/v1/jobs/{parent.id}/rerun", json={"sparsity": 0.6, "name": "second"})

    assert response.status_code == 201
    job = client.get(response.headers["location"]).json()
    assert job["id"] != parent.id
    assert (job["parent_id"], job["status"], job["attempt"]) == (parent.id, "queued", 0)
    assert job["spec"] == spec.model_dump(mode="json") | {"sparsity": 0.6}
    assert (job["name"], job["labels"], job["min_memory_gb"]) == ("second", {"a": "b"}, 24.0)
    assert queue.ids == [job["id"]]
    (child,) = client.get(f"/v1/jobs?parent={parent.id}").json()["data"]
    assert child["id"] == job["id"]


def test_a_rerun_with_another_preset_has_the_fields_of_that_preset(
    client: TestClient, sessions: Sessions
) -> None:
    first = make_job(sessions, make_spec(preset="best", seed=7))
    response = client.post(f"/v1/jobs/{first.id}/rerun", json={"preset": "fast"})
    assert response.status_code == 201
    spec = response.json()["spec"]
    assert (spec["preset"], spec["method"], spec["seed"]) == ("fast", "wanda", 7)
    assert (spec["refine"], spec["recover"], spec["allocation"]) == (None, None, "uniform")


def test_a_rerun_without_changes_needs_no_body(client: TestClient, sessions: Sessions) -> None:
    parent = make_job(sessions)
    response = client.post(f"/v1/jobs/{parent.id}/rerun")
    assert response.status_code == 201
    assert response.json()["spec"] == parent.spec.model_dump(mode="json")


def test_a_rerun_takes_a_key_a_dry_run_and_reuse_as_a_submit_does(
    client: TestClient, sessions: Sessions, store: ArtifactStore, queue: ListQueue
) -> None:
    parent = finish_job(sessions, store)
    path, headers = f"/v1/jobs/{parent.id}/rerun", {"idempotency-key": "key-1"}

    dry = client.post(f"{path}?dry_run=true", json={})
    first, second = (client.post(path, json={"seed": 1}, headers=headers) for _ in range(2))
    other = client.post("/v1/jobs", json=first.json()["spec"], headers=headers)
    reused = client.post(path, json={"reuse": "if_succeeded"})

    assert (dry.json()["parent_id"], dry.json()["identical_job_id"]) == (parent.id, parent.id)
    assert first.json() == second.json()
    assert queue.ids == [first.json()["id"]]
    assert other.json()["code"] == "idempotency_conflict"
    assert (reused.status_code, reused.json()["id"]) == (200, parent.id)


def test_a_rerun_is_repeated_even_if_its_parent_was_deleted(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    parent = make_job(sessions, status=JobState.succeeded)
    path, headers = f"/v1/jobs/{parent.id}", {"idempotency-key": "key-1"}

    def rerun(seed: int = 1) -> httpx.Response:
        return client.post(f"{path}/rerun", json={"seed": seed}, headers=headers)

    first = rerun()
    client.patch(path, json={"labels": {"a": "b"}, "name": "other"})
    assert (rerun().status_code, rerun().json()) == (201, first.json())
    client.delete(path)
    gone = rerun()
    assert (gone.status_code, gone.json()) == (201, first.json())
    assert gone.headers["idempotency-replayed"] == "true"
    assert rerun(seed=2).json()["code"] == "idempotency_conflict"
    assert queue.ids == [first.json()["id"]]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"sparsity": 1.2}, "/sparsity"),
        ({"sparsity": None}, "/sparsity"),
        ({"sparsty": 0.5}, "/sparsty"),
        ({"pattern": "2:4", "scope": "row"}, "/scope"),
    ],
)
def test_changes_that_make_no_job_are_refused_by_name(
    changes: dict[str, object], pointer: str, client: TestClient, sessions: Sessions
) -> None:
    response = client.post(f"/v1/jobs/{make_job(sessions).id}/rerun", json=changes)
    assert response.status_code == 422
    (field,) = response.json()["errors"]
    assert field["pointer"] == pointer


def test_only_a_job_can_be_run_again(client: TestClient) -> None:
    response = client.post(f"/v1/jobs/{UNKNOWN}/rerun", json={})
    assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("value", ["NaN", "1e999", "9" * 4000, '"\\ud800"', '{"\\ud800": 1}'])
@pytest.mark.parametrize("is_key_used", [True, False])
def test_hostile_changes_are_refused_also_under_a_used_key(
    client: TestClient, sessions: Sessions, value: str, is_key_used: bool
) -> None:
    job_id = make_job(sessions).id
    headers = {"idempotency-key": f"hostile-{job_id}", "content-type": "application/json"}
    path, body = f"/v1/jobs/{job_id}/rerun", f'{{"seed": {value}}}'
    if is_key_used:
        assert client.post(path, content='{"seed": 1}', headers=headers).status_code == 201
    response = client.post(path, content=body, headers=headers)
    assert response.status_code == 422, response.text
