import json

import pytest
from fastapi.testclient import TestClient

from api.core.unchecked import BY_WORKER_AT_START
from db.core.session import Sessions
from db.core.states import FINAL, JobState
from db.files.artifact_store import ArtifactStore
from db.spec.quality_gate import Verdict
from db.tables.jobs import Job
from tests.api.work import FILES, finish_job
from tests.factories import make_job, make_problem

UNCHECKED = "The model was not checked: no control process is running. " + BY_WORKER_AT_START
UNKNOWN = "job_" + "0" * 32


def test_a_job_that_succeeded_gives_its_metrics_and_files(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store, warnings=["the text is short", UNCHECKED])

    response = client.get(f"/v1/jobs/{job.id}/result")

    assert response.status_code == 200
    result = response.json()
    assert result["warnings"] == ["the text is short"]
    assert (result["job_id"], result["metrics"]) == (job.id, {"sparsity": 0.5})
    assert {one["name"] for one in result["artifacts"]} > set(FILES)
    for url in (result["archive"], result["artifacts"][0]["url"]):
        assert client.get(url).status_code == 200
    etag = response.headers["etag"]
    again = client.get(f"/v1/jobs/{job.id}/result", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("status", [state for state in JobState if state not in FINAL])
def test_the_result_of_an_unfinished_job_is_202_with_retry_after(
    status: JobState, client: TestClient, sessions: Sessions
) -> None:
    job = make_job(sessions, status=status)
    response = client.get(f"/v1/jobs/{job.id}/result")
    assert (response.status_code, response.headers["retry-after"]) == (202, "5")
    assert response.json() == client.get(f"/v1/jobs/{job.id}").json()


@pytest.mark.parametrize("pending", [404, 503])
def test_a_poller_chooses_the_status_code_for_an_unfinished_job(
    pending: int, client: TestClient, sessions: Sessions
) -> None:
    job = make_job(sessions)
    response = client.get(f"/v1/jobs/{job.id}/result?pending={pending}")
    assert (response.status_code, response.headers["retry-after"]) == (pending, "5")
    assert response.json()["code"] == "unfinished"
    assert response.json()["retryable"] is True
    assert client.get(f"/v1/jobs/{job.id}/result?pending=200").status_code == 422


@pytest.mark.parametrize("status", sorted(FINAL - {JobState.succeeded}))
def test_a_job_that_ended_otherwise_is_a_failed_dependency(
    status: JobState, client: TestClient, sessions: Sessions
) -> None:
    error = make_problem(hint="lower samples").model_dump(mode="json")
    for job, hint in (
        (make_job(sessions, status=status, error=error), "lower samples"),
        (make_job(sessions, status=status), "POST"),
    ):
        response = client.get(f"/v1/jobs/{job.id}/result")
        problem = response.json()
        assert (response.status_code, problem["code"]) == (424, "not_succeeded")
        assert f"is {status}." in problem["detail"]
        assert ("it went wrong" in problem["detail"]) is (job.error is not None)
        assert problem["hint"].startswith(hint)


@pytest.mark.parametrize(
    ("part", "expected"),
    [("metrics", {"sparsity": 0.5}), ("manifest", {"blocks": []}), ("provenance", {"subject": []})],
)
def test_a_successful_job_has_its_figures_and_its_specification_even_if_its_gate_failed(
    part: str,
    expected: dict[str, object],
    client: TestClient,
    sessions: Sessions,
    store: ArtifactStore,
) -> None:
    job = finish_job(sessions, store)
    with sessions.begin() as session:
        session.get_one(Job, job.id).verdict = Verdict.failed
    url = client.get(f"/v1/jobs/{job.id}").json()["links"][part]

    response = client.get(url)

    assert (response.status_code, response.json()) == (200, expected)
    again = client.get(url, headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_members_of_a_report_are_read_without_its_many_blocks(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    report = {"blocks": [1, 2], "generation": [{"prompt": "Once"}], "spec": {}}
    job = finish_job(sessions, store, {"report.json": json.dumps(report).encode()})
    url = f"/v1/jobs/{job.id}/manifest"

    found = client.get(url, params={"only": ["generation", "recovery"]})

    assert found.json() == {"generation": [{"prompt": "Once"}]}
    assert found.headers["etag"] == client.get(url).headers["etag"]


@pytest.mark.parametrize("part", ["metrics", "manifest", "provenance"])
def test_before_a_job_has_succeeded_there_are_no_figures(
    part: str, client: TestClient, sessions: Sessions
) -> None:
    for status, expected in (
        (JobState.running, (404, "unfinished", "5")),
        (JobState.failed, (424, "not_succeeded", None)),
    ):
        response = client.get(f"/v1/jobs/{make_job(sessions, status=status).id}/{part}")
        found = (response.status_code, response.json()["code"], response.headers.get("retry-after"))
        assert found == expected


@pytest.mark.parametrize("part", ["result", "metrics", "manifest", "provenance"])
def test_only_a_job_has_a_result(part: str, client: TestClient) -> None:
    assert client.get(f"/v1/jobs/{UNKNOWN}/{part}").json()["code"] == "job_not_found"


def test_a_job_of_a_worker_that_wrote_no_provenance_has_none(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    files = {name: one for name, one in FILES.items() if name != "provenance.json"}
    job = finish_job(sessions, store, files)
    response = client.get(f"/v1/jobs/{job.id}/provenance")
    assert (response.status_code, response.json()["code"]) == (404, "no_such_file")
    assert "no provenance.json" in response.json()["detail"]
