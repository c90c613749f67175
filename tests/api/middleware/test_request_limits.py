import json
import logging
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from api.core.settings import ApiSettings
from tests.fakes import ListQueue

PROBLEM = "application/problem+json"


def test_every_response_has_a_request_id_its_own_or_the_clients(client: TestClient) -> None:
    own = [client.get("/healthz").headers["x-request-id"] for _ in range(2)]
    assert own[0] != own[1]
    given = client.get("/nowhere", headers={"x-request-id": "trace-1.2:3"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "trace-1.2:3"


@pytest.mark.parametrize("given", ["a b", "x" * 65, "<script>", "é", ""])
def test_a_harmful_request_id_is_replaced(client: TestClient, given: str) -> None:
    answered = client.get("/healthz", headers=[(b"x-request-id", given.encode())])
    assert re.fullmatch("[0-9a-f]{32}", answered.headers["x-request-id"])


def test_every_response_has_security_headers(client: TestClient) -> None:
    for path in ("/healthz", "/nowhere", "/v1/jobs", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["referrer-policy"] == "no-referrer"


def test_an_unexpected_exception_is_a_500_without_details_and_a_traceback_in_the_log(
    app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("password=hunter2")

    with caplog.at_level(logging.ERROR, "api.middleware.request_limits"):
        response = client.get("/broken")

    assert response.status_code == 500
    assert response.headers["content-type"] == PROBLEM
    assert response.json()["code"] == "server_error"
    assert "hunter2" not in response.text
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-request-id"] in caplog.text
    assert "hunter2" in caplog.text


def test_an_unknown_path_or_method_is_a_problem(client: TestClient) -> None:
    missing, wrong = client.get("/v1/nothing/"), client.put("/v1/jobs")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert missing.json()["type"] == "/problems/not_found"
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers.get_list("allow") == ["GET, POST"]
    assert missing.json()["detail"] == "There is no path '/v1/nothing/'."
    assert wrong.json()["detail"] == "'/v1/jobs' has no method PUT; it has GET, POST."
    assert {missing.headers["content-type"], wrong.headers["content-type"]} == {PROBLEM}


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_413_with_or_without_a_length(
    client: TestClient, settings: ApiSettings, declared: bool
) -> None:
    body = json.dumps({"model": "x" * settings.max_body_bytes}).encode()
    content = body if declared else iter([body[:1000], body[1000:]])
    response = client.post(
        "/v1/jobs", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert response.headers["content-type"] == PROBLEM
    assert response.json()["code"] == "too_large"
    assert "x-request-id" in response.headers


def test_a_page_of_another_origin_may_not_change_anything(client: TestClient) -> None:
    path = "/v1/jobs/job_" + "0" * 32 + "/cancel"
    foreign = client.post(path, headers={"origin": "https://evil.example"})
    own = client.post(path, headers={"origin": "http://127.0.0.1"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_origin")
    assert own.status_code == 404


def test_without_a_database_the_response_is_503_with_retry_after(
    settings: ApiSettings, queue: ListQueue
) -> None:
    nowhere = {"database_url": SecretStr("postgresql+psycopg://x@127.0.0.1:9/none")}
    app = create_app(settings.model_copy(update=nowhere), queue)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        response = client.get("/v1/jobs")
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert response.json()["retryable"] is True
    assert response.headers["retry-after"] == "5"
