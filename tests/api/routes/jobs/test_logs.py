"""The route of a job's log."""

from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.events.logs import LogRepository, NewLine
from tests.factories import make_job

MOMENT = datetime(2026, 1, 5, 9, 30, 1, 250_000, UTC)


@pytest.fixture
def path(sessions: Sessions) -> str:
    job_id = make_job(sessions).id
    for attempt in (1, 2):
        lines = [
            NewLine(1, MOMENT, "INFO", "worker.attempts.run", "pruning"),
            NewLine(2, MOMENT, "ERROR", "worker.attempts.run", "it broke\nTraceback"),
            NewLine(3, MOMENT, "INFO", "worker.attempts.run", "the end"),
        ]
        with sessions.begin() as session:
            LogRepository(session).write(job_id, attempt, lines)
    return f"/v1/jobs/{job_id}/logs"


def test_lines_come_page_by_page(client: TestClient, path: str) -> None:
    ids: list[str] = []
    following: str | None = f"{path}?limit=4"
    while following:
        response = client.get(following)
        assert response.headers["vary"] == "accept, accept-encoding"
        body = response.json()
        ids += [line["id"] for line in body["data"]]
        following = response.links.get("next", {}).get("url")
        assert body["has_more"] is (following is not None)
    assert ids == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3"]
    assert client.get(path, params={"after": "2.3"}).json()["data"] == []


def test_lines_are_narrowed(client: TestClient, path: str) -> None:
    def ids(**params: str | int) -> list[str]:
        data = client.get(path, params=params).json()["data"]
        return [line["id"] for line in data]

    assert ids(attempt=2) == ["2.1", "2.2", "2.3"]
    assert ids(level="warning") == ["1.2", "2.2"]
    assert ids(tail=2) == ["2.2", "2.3"]
    assert ids(level="error", after="1.2") == ["2.2"]


def test_people_read_text(client: TestClient, path: str) -> None:
    response = client.get(path, params={"attempt": 1}, headers={"accept": "text/plain"})
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    first, second, *_ = response.text.splitlines()
    assert first == "2026-01-05T09:30:01.250000Z INFO worker.attempts.run: pruning"
    assert second.endswith("ERROR worker.attempts.run: it broke")


@pytest.mark.parametrize(
    "params", [{"after": "x"}, {"level": "loud"}, {"attempt": 0}, {"lines": 5}, {"limit": 1001}]
)
def test_what_makes_no_sense_is_refused(
    client: TestClient, path: str, params: dict[str, str]
) -> None:
    response = client.get(path, params=params)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"query/{next(iter(params))}"


def test_a_job_that_is_not_there_has_no_log(client: TestClient) -> None:
    missing = client.get(f"/v1/jobs/job_{'0' * 32}/logs")
    assert (missing.status_code, missing.json()["code"]) == (404, "job_not_found")
