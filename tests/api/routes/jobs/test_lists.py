from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.core.states import JobState
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.base import Document
from db.tables.outputs import Output, OutputState
from tests.api.requests import operations
from tests.api.services.streams import run
from tests.factories import make_job, make_spec
from tests.fakes import ListQueue

BEFORE_ALL_TIME = urlsafe_b64encode(b"0001-01-01T00:00:00+23:59 job_" + b"0" * 32).decode()

KEY = "key_" + "0" * 32
NOT_A_NUMBER = urlsafe_b64encode(b"nan job_" + b"0" * 32).decode()


def ids(client: TestClient, query: str) -> list[str]:
    response = client.get(f"/v1/jobs?{query}")
    assert response.status_code == 200, response.text
    return [job["id"] for job in response.json()["data"]]


@pytest.mark.parametrize("sort", ["-created", "created"])
def test_pages_follow_their_link_and_hold_every_job_once(
    sort: str, client: TestClient, sessions: Sessions
) -> None:
    states = [JobState.queued, JobState.failed, JobState.running, JobState.queued, JobState.failed]
    made = [make_job(sessions, status=status).id for status in states]
    seen, path = [], f"/v1/jobs?limit=2&status=queued&status=failed&q=ORG&sort={sort}"
    while path:
        response = client.get(path)
        page = response.json()
        assert page["has_more"] is ("link" in response.headers)
        assert page["has_more"] is (page["next_cursor"] is not None)
        seen += [job["id"] for job in page["data"]]
        link = response.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link[1:].partition(">")[0]
    del made[2]
    assert seen == (made if sort == "created" else made[::-1])


def test_every_filter_is_understood(client: TestClient, sessions: Sessions) -> None:
    moment = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    spec = make_spec(model="org/old", method="ria")
    old = make_job(sessions, spec, created_at=moment, created_by=KEY)
    new = make_job(sessions, name="Fresh one", status=JobState.failed, parent_id=old.id)
    assert ids(client, "status=failed") == [new.id]
    assert ids(client, "status=failed&status=queued") == [new.id, old.id]
    assert ids(client, "model=org/old") == [old.id]
    assert ids(client, "method=ria") == [old.id]
    assert ids(client, f"parent={old.id}") == [new.id]
    assert ids(client, "q=fresh") == [new.id]
    assert ids(client, f"q={old.id[-8:]}") == [old.id]
    assert ids(client, f"created_by={old.created_by}") == [old.id]
    assert ids(client, "created_after=2026-01-05T09:30:00Z") == [new.id]
    assert ids(client, "created_before=2026-01-05T10:30:01%2B01:00") == [old.id]


def test_facets_come_when_they_are_asked_for(client: TestClient, sessions: Sessions) -> None:
    make_job(sessions, status=JobState.failed)
    make_job(sessions, make_spec(method="ria"))
    assert client.get("/v1/jobs").json()["facets"] is None
    page = client.get("/v1/jobs?status=failed&include=facets").json()
    assert len(page["data"]) == 1
    assert page["facets"] == {
        "status": {"failed": 1, "queued": 1},
        "method": {"zpruner": 1},
        "verdict": {"none": 1},
    }


@pytest.mark.parametrize("sort", ["size_bytes", "-size_bytes"])
def test_pages_by_a_metric_follow_their_link(
    sort: str, client: TestClient, sessions: Sessions
) -> None:
    sizes = (2, None, 3_000_000_000, 1, None)
    made = [make_job(sessions, size_bytes=size).id for size in sizes]
    seen, path = [], f"/v1/jobs?limit=2&sort={sort}"
    while path:
        response = client.get(path)
        assert response.status_code == 200, response.text
        seen += [(job["id"], job["size_bytes"]) for job in response.json()["data"]]
        path = response.headers.get("link", "")[1:].partition(">")[0]
    measured = [made[3], made[0], made[2]]
    in_order = measured if sort == "size_bytes" else measured[::-1]
    assert [job_id for job_id, _ in seen] == [*in_order, made[4], made[1]]
    assert {size for _, size in seen} == set(sizes)


def test_jobs_of_all_methods_are_sorted_by_their_reduction(
    client: TestClient, sessions: Sessions
) -> None:
    results: tuple[Document, ...] = (
        {"sparsity": 0.5},
        {"sparsity": 0.0, "parameters": 78, "parameters_removed": 22},
        {"sparsity": 0.0, "quantization": {"bits_per_weight": 4.0}},
    )
    for result in results:
        job_id = make_job(sessions).id
        with sessions.begin() as session:
            ClaimRepository(session).claim(job_id, "worker-1")
            LeaseRepository(session).succeed(job_id, 1, result, [])
    jobs = client.get("/v1/jobs?sort=-reduction").json()["data"]
    assert [job["reduction"] for job in jobs] == [0.75, 0.5, 0.22]


@pytest.mark.parametrize("sort", ["accuracy", "-speed", "weights_bytes"])
def test_jobs_are_sorted_by_what_tasks_and_benchmarks_measured(
    sort: str, client: TestClient, sessions: Sessions
) -> None:
    made = []
    for rank in (2, 0, 1):
        job_id = make_job(sessions, make_spec(tasks=["boolq"], benchmark=True)).id
        result: Document = {"acc": {"boolq": 0.5 + rank / 10}, "weights_bytes": 70 + rank}
        with sessions.begin() as session:
            ClaimRepository(session).claim(job_id, "worker-1")
            result["speed"] = {"decode_ratio": 2.0 - rank / 2}
            LeaseRepository(session).succeed(job_id, 1, result, [])
        made.append(job_id)
    unmeasured = make_job(sessions).id
    seen, path = [], f"/v1/jobs?limit=3&sort={sort}"
    while path:
        response = client.get(path)
        seen += response.json()["data"]
        path = response.headers.get("link", "")[1:].partition(">")[0]
    assert [job["id"] for job in seen] == [made[1], made[2], made[0], unmeasured]
    assert [job["accuracy"] for job in seen] == [0.5, 0.6, 0.7, None]
    assert [job["speed"] for job in seen] == [2.0, 1.5, 1.0, None]


def test_jobs_with_a_failed_output_are_found_and_counted(
    client: TestClient, sessions: Sessions
) -> None:
    one, other = make_job(sessions), make_job(sessions)
    with sessions.begin() as session:
        for index, state in enumerate((OutputState.failed, OutputState.failed)):
            session.add(Output(job_id=one.id, index=index, target={}, state=state))
        session.add(Output(job_id=other.id, index=0, target={}, state=OutputState.succeeded))
    page = client.get("/v1/jobs?output=failed&include=facets").json()
    assert [job["id"] for job in page["data"]] == [one.id]
    assert page["facets"]["status"] == {"queued": 1}


def test_a_cursor_continues_the_order_that_it_is_of(client: TestClient, sessions: Sessions) -> None:
    for value in (1.0, 2.0):
        make_job(sessions, perplexity=value)
    cursor = client.get("/v1/jobs?limit=1&sort=perplexity").json()["next_cursor"]
    assert client.get(f"/v1/jobs?sort=-perplexity&cursor={cursor}").status_code == 200
    assert client.get(f"/v1/jobs?cursor={cursor}").json()["errors"][0]["pointer"] == "query/cursor"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=1", "cursor"),
        ("cursor=MjAyNiBqb2JfMQ", "cursor"),
        ("cursor=%C3%A4", "cursor"),
        (f"cursor={BEFORE_ALL_TIME}", "cursor"),
        (f"sort=seconds&cursor={NOT_A_NUMBER}", "cursor"),
        ("created_by=me", "created_by"),
        ("status=unheard", "status/0"),
        ("method=unheard", "method"),
        ("sort=name", "sort"),
        ("include=all", "include"),
        ("parent=job_1", "parent"),
        ("q=%00", "q"),
        ("q=", "q"),
        ("created_after=2026-01-05T09:30:00", "created_after"),
        ("created_after=yesterday", "created_after"),
        ("created_before=0001-01-01T00:00:00%2B14:00", "created_before"),
        ("created_before=9999-12-31T23:59:59-14:00", "created_before"),
    ],
)
def test_wrong_parameters_are_refused_by_name(query: str, pointer: str, client: TestClient) -> None:
    response = client.get(f"/v1/jobs?{query}")
    assert response.status_code == 422
    (field,) = response.json()["errors"]
    assert field["pointer"] == f"query/{pointer}"
    assert "/docs" not in field["detail"]


def test_a_parameter_that_does_not_exist_is_refused_with_the_one_that_was_meant(
    client: TestClient,
) -> None:
    (field,) = client.get("/v1/jobs?statsu=failed").json()["errors"]
    assert (field["pointer"], field["code"]) == ("query/statsu", "extra_forbidden")
    assert "Did you mean status?" in field["detail"]


def test_no_operation_takes_a_parameter_that_it_does_not_name(client: TestClient) -> None:
    for verb, path, _ in operations(client):
        if path.startswith("/v1/") and verb != "head":
            kind = {"content-type": "text/plain"}  # else an upload is refused for that
            response = client.request(verb, f"{path}?unheard=1", content="text", headers=kind)
            assert response.status_code == 422, (verb, path)
            assert "query/unheard" in [one["pointer"] for one in response.json()["errors"]]
    assert client.get("/healthz?unheard=1").status_code == 200  # a probe may add what it likes
    assert client.get("/docs?unheard=1").status_code == 200


def test_a_misspelt_dry_run_makes_no_job(client: TestClient, queue: ListQueue) -> None:
    body = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
    response = client.post("/v1/jobs?dryrun=true", json=body)
    assert (response.status_code, response.json()["hint"]) == (422, "Did you mean dry_run?")
    assert queue.ids == client.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize("of", ["/v1/jobs/{}/events", "/v1/events"])
def test_events_go_on_after_their_next_cursor(
    of: str, client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    run(sessions, job_id)
    path, seen, following = of.format(job_id), list[int](), {"limit": "2"}
    refused = client.get(path, params={"cursor": "1"})
    assert refused.status_code == 422
    assert "the allowed names are after, " in refused.json()["hint"]
    while following:
        page = client.get(path, params=following).json()
        seen += [event["seq"] for event in page["data"]]
        after = page["next_cursor"]
        following = {"limit": "2", "after": after} if after else {}
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("query", ["label.team=search", "label=team:search"])
def test_a_list_is_narrowed_to_a_label_in_either_way(query: str, client: TestClient) -> None:
    body = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
    wanted = client.post("/v1/jobs", json=body | {"labels": {"team": "search", "a/b": "c:d"}})
    client.post("/v1/jobs", json=body | {"labels": {"team": "other"}})

    for more in ("", "&label.a/b=c:d", "&limit=1"):
        found = client.get(f"/v1/jobs?{query}{more}").json()["data"]
        assert [one["id"] for one in found] == [wanted.json()["id"]]
    assert client.get(f"/v1/jobs?{query}&label.x=y").json()["data"] == []


@pytest.mark.parametrize(
    "query",
    ["label.team=a&label.team=b", "label=team:a&label=team:b", "label=team:a&label.team=b"],
)
def test_a_label_of_two_values_is_refused(query: str, client: TestClient) -> None:
    response = client.get(f"/v1/jobs?{query}")
    assert response.status_code == 422
    assert response.json()["hint"] == "Name one value of each label."
    assert client.get("/v1/jobs?label.team=a&label.team=a&label=team:a").status_code == 200


@pytest.mark.parametrize("query", ["label=team", "label.=x", "label..=x", "labels.team=x"])
def test_a_label_that_cannot_be_is_refused(query: str, client: TestClient) -> None:
    response = client.get(f"/v1/jobs?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
