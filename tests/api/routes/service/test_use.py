"""What jobs used in a period, and the lists as CSV."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.core.scopes import needed_for
from db.core.session import Sessions
from db.core.states import JobState
from db.spec.pruning.methods import MethodName
from db.tables.access import AccessScope
from db.tables.jobs import JobEvent
from tests.db.jobs.held import correct_sums
from tests.factories import make_job, make_spec

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = "after=2026-01-05T00:00:00Z&before=2026-01-12T00:00:00Z"


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def held_job(
    sessions: Sessions,
    hours: tuple[float, float],
    method: MethodName,
    labels: dict[str, str],
    created_by: str | None = None,
    end: JobState = JobState.succeeded,
    **overrides: Any,
) -> str:
    """Insert a job that a worker held between these hours of the week."""
    began, ended = map(at, hours)
    row: dict[str, Any] = {"labels": labels, "created_by": created_by, "status": end} | overrides
    row |= {"created_at": began, "updated_at": ended, "finished_at": ended}
    job = make_job(sessions, make_spec(method=method), **row)
    moments = ((began, JobState.running), (ended, end))
    with sessions.begin() as session:
        for seq, (moment, status) in enumerate(moments, start=10):
            fields = {"kind": "status", "status": status, "attempt": 1, "data": {}}
            session.add(JobEvent(job_id=job.id, seq=seq, at=moment, **fields))
        session.flush()
        correct_sums(session)
    return job.id


@pytest.fixture
def used(sessions: Sessions) -> None:
    """A week: two hours before it count, one after it does not."""
    nlp, speech = {"team": "nlp", "run": "1"}, {"team": "speech"}
    held_job(sessions, (-2, 3), MethodName.wanda, nlp, "key_a")
    held_job(sessions, (10, 11.5), MethodName.admm, nlp, end=JobState.failed)
    held_job(sessions, (7 * 24 - 1, 7 * 24 + 1), MethodName.admm, speech)
    held_job(sessions, (8 * 24, 9 * 24), MethodName.admm, speech)


@pytest.mark.usefixtures("used")
def test_a_period_has_its_jobs_and_hours_by_method_key_and_label(client: TestClient) -> None:
    use = client.get(f"/v1/use?{WEEK}").json()

    def rows(group: str) -> dict[str, tuple[int, int, int, float]]:
        return {
            row["name"]: (row["jobs"], row["succeeded"], row["failed"], row["worker_hours"])
            for row in use[group]
        }

    total = use["total"]
    assert (total["jobs"], total["succeeded"], total["failed"]) == (3, 1, 1)
    assert total["worker_hours"] == 5.5
    assert rows("methods") == {"wanda": (1, 1, 0, 3.0), "admm": (2, 0, 1, 2.5)}
    assert rows("keys") == {"key_a": (1, 1, 0, 3.0), "": (2, 0, 1, 2.5)}
    assert list(rows("labels").items()) == [
        ("run=1", (2, 1, 1, 4.5)),
        ("team=nlp", (2, 1, 1, 4.5)),
        ("team=speech", (1, 0, 0, 1.0)),
    ]


@pytest.mark.usefixtures("used")
def test_a_period_is_the_last_seven_days_by_default(client: TestClient) -> None:
    use = client.get("/v1/use").json()
    assert use["total"]["jobs"] == 0
    begin, end = (datetime.fromisoformat(use[name]) for name in ("after", "before"))
    assert end - begin == timedelta(days=7)


def test_a_month_adds_up_to_the_time_of_all_attempts_of_failed_cancelled_and_deleted_jobs(
    client: TestClient, sessions: Sessions
) -> None:
    ends = (JobState.succeeded, JobState.failed, JobState.cancelled, JobState.failed)
    keys = ("key_a", "key_b", "key_a", None)
    lengths = [0.1234567, 1 / 3, 2.0, 0.7]
    jobs = [
        held_job(
            *(sessions, (n, n + hours), MethodName.wanda, {}, key, end),
            hourly_price=n and 4.0,
            currency="EUR",
        )
        for n, (hours, key, end) in enumerate(zip(lengths, keys, ends, strict=True))
    ]
    held_job(sessions, (27 * 24, 27 * 24 + 1), MethodName.wanda, {}, "key_a")  # in February
    assert client.delete(f"/v1/jobs/{jobs[1]}").status_code == 204
    use = client.get("/v1/use?month=2026-01").json()
    assert (use["after"], use["before"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    spent = [
        timedelta(seconds=row["worker_seconds"])
        for group in ("keys", "methods")
        for row in use[group]
    ]
    total = sum((at(n + hours) - at(n) for n, hours in enumerate(lengths)), start=timedelta(0))
    assert sum(spent, start=timedelta(0)) == 2 * total
    assert timedelta(seconds=use["total"]["worker_seconds"]) == total
    costs = {row["name"]: row["cost"] for row in use["keys"]}
    assert costs == {"key_a": 8.0, "key_b": 1.3333, "": 2.8}
    assert use["currency"] == "EUR"  # that of the jobs, as no queue has a price now
    lines = table(client, "/v1/use.csv?month=2026-01")
    by_key = {line["name"]: line["cost"] for line in lines if line["by"] == "key"}
    assert by_key == {name: str(cost) for name, cost in costs.items()}


def test_a_month_excludes_other_bounds(client: TestClient) -> None:
    refused = client.get("/v1/use?month=2026-01&after=2026-01-05T00:00:00Z")
    assert refused.status_code == 422
    assert "Leave after and before out" in refused.json()["hint"]
    assert client.get("/v1/use?month=2026-13").status_code == 422


def table(client: TestClient, path: str) -> list[dict[str, str]]:
    response = client.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert ".csv" in response.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(response.text)))


@pytest.mark.usefixtures("used")
def test_the_use_is_a_table(client: TestClient) -> None:
    lines = table(client, f"/v1/use.csv?{WEEK}")
    found = {(line["by"], line["name"]): line["worker_hours"] for line in lines}
    assert found["all", ""] == "5.5"
    assert found["label", "team=nlp"] == "4.5"


def test_jobs_are_a_table_with_the_filters_and_the_order_of_their_list(
    client: TestClient, sessions: Sessions
) -> None:
    for index in range(203):
        make_job(sessions, name=f"job {index}", perplexity=float(index), size_bytes=7)
    make_job(sessions, make_spec(method="wanda"), name="other")
    lines = table(client, "/v1/jobs.csv?sort=perplexity&method=zpruner")
    assert [line["name"] for line in lines] == [f"job {index}" for index in range(203)]
    assert (lines[0]["size_bytes"], lines[0]["sparsity"]) == ("7", "0.5")
    assert client.get("/v1/jobs.csv?limit=3").status_code == 422


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@a", "\tx"])
def test_text_that_a_spreadsheet_would_calculate_is_text(
    name: str, client: TestClient, sessions: Sessions
) -> None:
    make_job(sessions, name=name, labels={"team": name, "run": "1"}, reduction=-0.5)
    [line] = table(client, "/v1/jobs.csv")
    assert line["name"] == f"'{name}"
    assert line["labels"] == f"team={name}, run=1"
    assert line["reduction"] == "-0.5"  # a number


@pytest.mark.parametrize("name", ["sweeps", "workers", "webhooks", "triggers"])
def test_every_list_is_a_table(name: str, client: TestClient) -> None:
    assert client.get(f"/v1/{name}.csv").text.startswith("id,")


@pytest.mark.parametrize("name", ["webhooks", "triggers"])
def test_tables_for_admins_need_their_scope(name: str) -> None:
    assert needed_for("GET", f"/v1/{name}.csv") == frozenset({AccessScope.admin})


def test_other_tables_need_the_scope_of_their_lists() -> None:
    assert needed_for("GET", "/v1/jobs.csv") == needed_for("GET", "/v1/jobs")
