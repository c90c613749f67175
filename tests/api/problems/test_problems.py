import pytest
from fastapi.testclient import TestClient

from db.problems.catalogue import CATALOGUE


def test_every_kind_of_problem_has_a_page(client: TestClient) -> None:
    index = client.get("/problems").text
    for code in CATALOGUE.by_code:
        page = client.get(f"/problems/{code}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert code in index


def test_a_page_gives_the_remedy_as_well(client: TestClient) -> None:
    assert "make dashboard" in client.get("/problems/dashboard_not_built").text


@pytest.mark.parametrize("code", ["unknown", "bad_request", "<script>", "%2e%2e", "%00"])
def test_the_page_of_an_unknown_code_is_a_problem(client: TestClient, code: str) -> None:
    response = client.get(f"/problems/{code}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_a_problem_names_the_path_and_the_request(
    client: TestClient,
) -> None:
    path = "/v1/jobs/job_" + "0" * 32
    response = client.get(path, headers={"x-request-id": "one"})
    assert response.json() == {
        "type": "/problems/job_not_found",
        "title": "No such job",
        "status": 404,
        "detail": f"no job {path[9:]}",
        "code": "job_not_found",
        "instance": path,
        "request_id": "one",
        "retryable": False,
        "hint": "GET /v1/jobs lists all jobs.",
        "errors": [],
    }
