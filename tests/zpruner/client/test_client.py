"""The client against a small real service."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.zpruner.service import Answer, Service, job, page, problem
from zpruner import Client, ProblemError, ServiceError

JSON = "application/json"


def test_wait_reports_each_change_and_returns_the_ended_job(
    service: Service, client: Client
) -> None:
    etag = {"ETag": '"1"'}
    answers = [Answer(200, job(), headers=etag), Answer(200, job(), headers=etag), Answer(304)]
    service.prepare(
        "/v1/jobs/job_1", *answers, Answer(200, job("succeeded", result={"sparsity": 0.5}))
    )
    seen: list[str] = []

    ended = client.jobs.wait("job_1", on_change=lambda job: seen.append(job.status))

    assert ended.result == {"sparsity": 0.5}
    assert seen == ["running", "running", "succeeded"]


def test_wait_continues_while_the_service_restarts(service: Service, client: Client) -> None:
    down = Answer(503, problem("not_ready", 503))
    service.prepare("/v1/jobs/job_1", Answer(200, job()), down, down, Answer(200, job("failed")))

    assert client.jobs.wait("job_1").status == "failed"


def test_a_rate_limited_request_is_repeated_and_one_over_quota_is_not(
    service: Service, client: Client
) -> None:
    soon = Answer(429, problem("rate_limited", 429), headers={"Retry-After": "0"})
    over = Answer(429, problem("quota_exceeded", 429), headers={"Retry-After": "30"})
    service.prepare("/v1/jobs/job_1", soon, soon, Answer(200, job()))
    service.prepare("/v1/jobs/job_2", over)
    service.prepare("/v1/jobs/job_3", soon)

    assert client.jobs.get("job_1").id == "job_1"
    for job_id, code in (("job_2", "quota_exceeded"), ("job_3", "rate_limited")):
        with pytest.raises(ProblemError) as caught:
            client.jobs.get(job_id)
        assert caught.value.problem.code == code
    paths = [path for _, path, _ in service.seen]
    assert [paths.count(f"/v1/jobs/job_{n}") for n in (1, 2, 3)] == [3, 1, 6]


def test_wait_raises_at_its_timeout_and_the_job_continues(service: Service, client: Client) -> None:
    service.prepare("/v1/jobs/job_1", Answer(200, job()))

    with pytest.raises(TimeoutError, match="still running"):
        client.jobs.wait("job_1", timeout_s=0)


def test_a_refusal_holds_the_problem_and_its_remedy(service: Service, client: Client) -> None:
    refusal = problem("pickle_only", 422, hint="Name a repository with safetensors.")
    service.prepare("/v1/jobs", Answer(422, refusal))

    with pytest.raises(ProblemError, match="Name a repository") as caught:
        client.jobs.create("org/model", 0.5, "c4")

    assert caught.value.problem.code == "pickle_only"


def test_a_submission_whose_response_was_lost_is_repeated_with_its_key(
    service: Service, client: Client
) -> None:
    lost = Answer(201, job("queued"), cut=10)
    down = Answer(503, problem("not_ready", 503))
    service.prepare("/v1/jobs", lost, down, Answer(201, job("queued")))

    assert client.jobs.create("org/model", 0.5, "c4").status == "queued"

    assert len(service.keys) == 3
    assert len(set(service.keys)) == 1
    assert service.keys[0]


def test_each_submission_has_its_own_key_unless_one_is_given(
    service: Service, client: Client
) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    for key in (None, None, "mine"):
        client.jobs.create("org/model", 0.5, "c4", idempotency_key=key)
    assert len(set(service.keys)) == 3
    assert service.keys[2] == "mine"


def test_a_submission_is_not_repeated_forever(service: Service, client: Client) -> None:
    service.prepare("/v1/jobs", Answer(503, problem("not_ready", 503)))
    with pytest.raises(ProblemError, match="not_ready"):
        client.jobs.create("org/model", 0.5, "c4")
    assert len(service.keys) == 4


def test_a_rerun_sends_the_changes_and_a_retry_nothing(service: Service, client: Client) -> None:
    service.prepare("/v1/jobs/job_0/rerun", Answer(201, job("queued", parent_id="job_0")))
    service.prepare("/v1/jobs/job_1/retry", Answer(200, job("queued", attempt=1)))

    assert client.jobs.rerun("job_0", sparsity=0.6).parent_id == "job_0"
    assert client.jobs.retry("job_1").attempt == 1

    assert [json.loads(body or b"null") for body in service.bodies] == [{"sparsity": 0.6}, None]
    assert service.keys[0]
    assert service.keys[1] is None


def test_a_preview_shows_what_would_be_submitted(service: Service, client: Client) -> None:
    spec = {"model": "org/model", "method": "zpruner"}
    service.prepare("/v1/jobs?dry_run=true", Answer(200, {"spec": spec, "warnings": []}))
    assert client.jobs.preview("org/model", 0.5, "c4").spec == spec


def test_an_unreachable_service_is_named(client: Client) -> None:
    with (
        Client("http://127.0.0.1:9") as unreachable,
        pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"),
    ):
        unreachable.jobs.get("job_1")


def test_a_list_follows_the_links_to_the_next_pages(service: Service, client: Client) -> None:
    body = {"data": [job()], "next_cursor": "c", "has_more": True}
    following = {"Link": '</v1/jobs?limit=3&after=c>; rel="next"'}
    service.prepare("/v1/jobs?limit=3&sort=-created", Answer(200, body, headers=following))
    service.prepare("/v1/jobs?limit=3&after=c", page(job("failed")))

    assert [job.status for job in client.jobs.list(limit=3)] == ["running", "failed"]


def test_a_list_is_filtered_by_the_given_filters_only(service: Service, client: Client) -> None:
    query = "limit=100&sort=created&status=failed&status=expired&q=a%2Fb"
    moment = "created_after=2026-01-05T09%3A30%3A00%2B00%3A00"
    service.prepare(f"/v1/jobs?{query}&{moment}", page(job("failed")))

    jobs = client.jobs.list(
        sort="created",
        status=["failed", "expired"],
        model=None,
        q="a/b",
        created_after=datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
    )

    assert [job.status for job in jobs] == ["failed"]


def test_facets_count_jobs(service: Service, client: Client) -> None:
    facets = {"status": {"failed": 2}, "method": {"wanda": 2}, "later": {}}
    body = {"data": [job()], "facets": facets}
    service.prepare("/v1/jobs?limit=1&include=facets&method=wanda", Answer(200, body))

    assert client.jobs.facets(method="wanda").status == {"failed": 2}


def test_all_jobs_are_listed_and_each_page_is_read_when_it_is_needed(
    service: Service, client: Client
) -> None:
    body = {"data": [job(), job()], "next_cursor": "c", "has_more": True}
    following = {"Link": '</v1/jobs?after=c>; rel="next"'}
    first = "/v1/jobs?limit=100&sort=-created"
    service.prepare(first, Answer(200, body, headers=following))
    service.prepare("/v1/jobs?after=c", page(job("failed")))

    assert [one.status for one in client.jobs.list()] == ["running", "running", "failed"]
    service.seen.clear()
    jobs = client.jobs.iterate()
    assert next(jobs).status == "running"
    assert [path for _, path, _ in service.seen] == [first]
    assert [one.status for one in jobs] == ["running", "failed"]


def test_a_finished_job_and_times_are_written_as_the_service_reads_them(
    service: Service, client: Client
) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    service.prepare("/v1/jobs/job_1", Answer(200, job("succeeded")))
    service.prepare("/v1/sweeps", Answer(201, {"id": "swp_1", "total": 1}))

    finished = client.jobs.get("job_1")
    moment = datetime(2027, 1, 5, 9, 30, tzinfo=UTC)
    client.jobs.create(
        finished, dataset="c4", method="none", not_before=moment, deadline=timedelta(hours=2)
    )
    client.sweeps.create(finished, "c4", jobs=[{"sparsity": 0.5}])

    assert json.loads(service.bodies[-2]) == {
        "model": "job:job_1",
        "dataset": "c4",
        "method": "none",
        "not_before": "2027-01-05T09:30:00+00:00",
        "deadline": "7200s",
    }
    assert json.loads(service.bodies[-1])["model"] == "job:job_1"


def test_metrics_and_blocks_are_typed_and_keep_what_has_no_field(
    service: Service, client: Client
) -> None:
    metrics = {"sparsity": 0.5, "intervals": {"pruned_perplexity": [1.0, 2.0]}, "later": 1}
    service.prepare("/v1/jobs/job_1/metrics", Answer(200, metrics | {"recovery": {"steps": 8}}))
    block = {"index": 0, "name": "layers.0", "attempt": 1, "data": {"sparsity": 0.4, "new": 2}}
    service.prepare("/v1/jobs/job_1/blocks?layers=false", Answer(200, {"data": [block]}))

    found = client.jobs.metrics("job_1")
    (report,) = client.jobs.blocks("job_1")

    assert (found.sparsity, found.intervals["pruned_perplexity"]) == (0.5, (1.0, 2.0))
    assert found.recovery is not None
    assert found.recovery.steps == 8
    assert found.model_extra == {"later": 1}
    assert (report.name, report.data.sparsity, report.data.model_extra) == (
        "layers.0",
        0.4,
        {"new": 2},
    )


def test_wait_can_include_the_delivery_of_the_result(service: Service, client: Client) -> None:
    def ended(*states: str) -> dict[str, object]:
        outputs = [
            {"index": index, "target": {}, "state": state} for index, state in enumerate(states)
        ]
        return job("succeeded", outputs=outputs)

    answers = [ended("waiting", "waiting"), ended("succeeded", "running")]
    last = ended("succeeded", "failed")
    service.prepare("/v1/jobs/job_1", *(Answer(200, one) for one in (*answers, last)))
    done = client.jobs.wait("job_1", delivered=True)
    assert [one.state for one in done.outputs] == ["succeeded", "failed"]

    service.prepare("/v1/jobs/job_1", Answer(200, answers[0]))
    assert client.jobs.wait("job_1").outputs[0].state == "waiting"
    with pytest.raises(TimeoutError, match="not yet delivered"):
        client.jobs.wait("job_1", delivered=True, timeout_s=0)


def test_several_jobs_are_cancelled_by_ids_or_by_a_filter(service: Service, client: Client) -> None:
    done = {"cancelled": ["job_1"], "ended": [], "missing": ["job_2"], "has_more": False}
    service.prepare("/v1/cancel", Answer(200, done))
    assert client.jobs.cancel_several(["job_1", "job_2"]).missing == ["job_2"]
    client.jobs.cancel_several(status="queued", labels={"team": "nlp"}, model=None)
    assert [json.loads(one) for one in service.bodies] == [
        {"ids": ["job_1", "job_2"]},
        {"filter": {"status": ["queued"], "labels": {"team": "nlp"}}},
    ]


def test_what_a_notebook_shows_of_a_job_is_short(service: Service, client: Client) -> None:
    spec = {"model": "local:m", "sparsity": 0.5, "dataset": "c4", "skip": [], "ratio": None}
    result = {"perplexity_ratio": 1.5, "zeros": 4}
    service.prepare("/v1/jobs/job_1", Answer(200, job("succeeded", spec=spec, result=result)))
    assert repr(client.jobs.get("job_1")) == (
        "Job(id='job_1', status='succeeded', model='local:m', sparsity=0.5, dataset='c4', "
        "perplexity_ratio=1.5)"
    )


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000", "127.0.0.1", "http://127.0.0.1:8000/v1/"),
        *("http://127.0.0.1:abc", "http://", "http://[::1"),
    ],
)
def test_an_address_that_is_no_service_is_refused_with_its_form(url: str) -> None:
    with pytest.raises(ServiceError, match=r"is not the URL of a service\. Write ZPRUNER_URL as"):
        Client(url)


def test_no_message_shows_the_password_of_an_address(service: Service) -> None:
    host = service.url.removeprefix("http://")
    service.prepare("/v1/models", Answer(200, b"<html>", headers={"Content-Type": "text/html"}))
    for url in (f"http://ada:s3cret@{host}", "http://ada:s3cret@127.0.0.1:9"):
        with Client(url) as client, pytest.raises(ServiceError) as refused:
            client.models()
        shown = url.replace("ada:s3cret@", "")
        assert str(refused.value).startswith(shown)
        assert "s3cret" not in str(refused.value)
    with pytest.raises(ServiceError, match=r"^http://host:abc is not the URL of a service"):
        Client("http://ada:s3cret@host:abc")


def test_a_link_has_no_password_of_the_service_s_url(service: Service) -> None:
    made = {"url": "/v1/f/token", "expires_at": "2026-12-03T00:00:00Z"}
    service.prepare("/v1/artifacts/art_1/links", Answer(201, made))
    host = service.url.removeprefix("http://")
    with Client(f"http://ada:s3cret@{host}") as client:
        assert client.jobs.link("art_1").url == f"{service.url}/v1/f/token"


@pytest.mark.parametrize(
    ("dataset", "key", "reason"),
    [("\udcff", "mine", r"'\\udcff' .* not UTF-8"), ("c4", "ä", r"'\\xe4' .* not ASCII")],
)
def test_a_text_that_cannot_be_encoded_is_a_refusal(
    service: Service, client: Client, dataset: str, key: str, reason: str
) -> None:
    with pytest.raises(ServiceError, match=reason) as refused:
        client.jobs.create("org/model", 0.5, dataset, idempotency_key=key)
    assert refused.value.is_refusal
    assert service.seen == []


@pytest.mark.parametrize("key", ["zpr_ä", "zpr_a\n"])
def test_a_key_that_no_header_can_have_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ServiceError, match="ZPRUNER_API_KEY has a character that") as refused:
        Client("http://127.0.0.1:9", key)
    assert key not in str(refused.value)


def test_a_page_in_place_of_json_asks_whether_the_address_is_right(
    service: Service, client: Client
) -> None:
    html = {"Content-Type": "text/html"}
    service.prepare("/v1/jobs/job_1", Answer(200, b"<html>", headers=html))
    with pytest.raises(ServiceError, match="200 with no JSON, but text/html: is ZPRUNER_URL right"):
        client.jobs.get("job_1")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"detail": [{"loc": ["body"]}]}', "HTTP 404 Not Found"),
        (b'["not found"]', "HTTP 404 Not Found"),
        (b'{"detail": ', "HTTP 404 Not Found"),
        (b'{"detail": "no such route"}', "no such route"),
    ],
)
def test_an_error_of_another_server_has_its_status(
    service: Service, client: Client, body: bytes, text: str
) -> None:
    service.prepare("/v1/jobs/job_1", Answer(404, body, headers={"Content-Type": JSON}))

    with pytest.raises(ProblemError, match=text) as caught:
        client.jobs.get("job_1")

    assert caught.value.is_refusal
    assert caught.value.problem.status == 404


def test_a_service_that_does_not_run_is_reported_with_the_remedy() -> None:
    with pytest.raises(ServiceError, match=r"Start it \(zpruner serve\), or set ZPRUNER_URL"):
        Client("http://127.0.0.1:9").jobs.list()
