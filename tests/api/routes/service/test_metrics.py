"""Metrics for Prometheus."""

import threading

import pytest
from fastapi.testclient import TestClient
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from api.services.metrics import RowCollector
from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.db.scheduling.workers import appear
from tests.factories import make_job

QUERIES = 8


def scrape(client: TestClient) -> dict[str, Metric]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {family.name: family for family in text_string_to_metric_families(response.text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float | None:
    samples = (one for family in families.values() for one in family.samples)
    found = [one.value for one in samples if (one.name, one.labels) == (name, labels)]
    return found[0] if found else None


def test_metrics_count_rows(client: TestClient, sessions: Sessions) -> None:
    make_job(sessions, queue="big")
    make_job(sessions, status=JobState.failed, attempt=3, crashes=2)
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "a/1")
        LeaseRepository(session).report_block(job.id, 1, 0, "layers.0", {"prune_seconds": 2.5})
    appear(sessions, "a")

    scraped = scrape(client)

    assert value(scraped, "zpruner_jobs", status="running", method="zpruner") == 1
    assert value(scraped, "zpruner_jobs_finished", outcome="failed") == 1
    assert value(scraped, "zpruner_jobs_finished", outcome="succeeded") == 0
    assert value(scraped, "zpruner_job_attempts", method="zpruner") == 4
    assert value(scraped, "zpruner_job_crashes", method="zpruner") == 2
    assert value(scraped, "zpruner_queue_depth", queue="big") == 1
    assert value(scraped, "zpruner_queue_depth", queue="gpu") == 0
    assert value(scraped, "zpruner_queue_running", queue="gpu") == 1
    oldest = value(scraped, "zpruner_queue_oldest_seconds", queue="big")
    assert oldest is not None
    assert 0 <= oldest < 60
    assert value(scraped, "zpruner_running_block_seconds", method="zpruner") == 2.5
    assert value(scraped, "zpruner_workers", queue="gpu", state="idle") == 1
    assert value(scraped, "zpruner_leases_expired") == 0
    assert value(scraped, "zpruner_artifacts_bytes") == 0
    assert value(scraped, "zpruner_webhook_deliveries", status="pending") == 0
    assert value(scraped, "zpruner_webhook_deliveries", status="failed") == 0
    assert value(scraped, "zpruner_webhook_overdue_seconds") == 0


def test_requests_are_counted_by_the_route_s_template(client: TestClient) -> None:
    for path in ("/v1/jobs/job_1", "/v1/jobs/job_2", "/wp-admin", "/also/made/up"):
        assert client.get(path).status_code == 404
    refused_host = client.get("/v1/jobs", headers={"host": "elsewhere.example"})
    assert refused_host.status_code == 421

    scraped = scrape(client)

    counted = {"method": "GET", "route": "/v1/jobs/{job_id}", "status": "404"}
    assert value(scraped, "zpruner_http_requests_total", **counted) == 2
    strangers = {"method": "GET", "route": "none", "status": "404"}
    assert value(scraped, "zpruner_http_requests_total", **strangers) == 2
    refused = {"method": "GET", "route": "none", "status": str(refused_host.status_code)}
    assert value(scraped, "zpruner_http_requests_total", **refused) == 1
    timed = {"method": "GET", "route": "/v1/jobs/{job_id}"}
    assert value(scraped, "zpruner_http_request_seconds_count", **timed) == 2
    assert value(scraped, "zpruner_http_open_requests") == 1  # this one


def test_a_client_that_accepts_openmetrics_gets_it(client: TestClient) -> None:
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = client.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    read = openmetrics.text_string_to_metric_families
    names = {family.name for family in read(response.text)}  # type: ignore[no-untyped-call] # theirs
    assert {"zpruner_jobs", "zpruner_http_requests"} <= names


def test_many_scrapers_cost_as_much_as_one(sessions: Sessions, store: ArtifactStore) -> None:
    asked: list[str] = []

    @event.listens_for(sessions.kw["bind"], "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    collector = RowCollector(sessions, store)
    threads = [threading.Thread(target=collector.collect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == QUERIES
    RowCollector(sessions, store).collect()
    assert len(asked) == 2 * QUERIES


@pytest.mark.parametrize("path", ["/metrics", "/v1/workers", "/v1/queues"])
def test_an_empty_service_answers(path: str, client: TestClient) -> None:
    assert client.get(path).status_code == 200
