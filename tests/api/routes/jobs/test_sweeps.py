from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from db.access.keys import Quotas
from db.core.session import Sessions
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job, StoredResponse, Sweep
from tests.factories import make_key
from tests.fakes import ListQueue

BASE = {"model": "org/model", "dataset": "wikitext2"}
GRID: dict[str, list[Any]] = {"sparsity": [0.4, 0.5], "method": ["zpruner", "wanda", "magnitude"]}
UNKNOWN = "swp_" + "0" * 32


def post(client: TestClient, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return client.post("/v1/sweeps", json=BASE | fields, headers=headers)


def count(sessions: Sessions, table: type[Job | Sweep | StoredResponse] = Job) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def finish(sessions: Sessions, job_id: str, **metrics: Any) -> None:
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@test")
        LeaseRepository(session).succeed(job_id, 1, metrics, [])


def test_a_grid_becomes_a_job_for_every_combination(client: TestClient, queue: ListQueue) -> None:
    response = post(client, grid=GRID, name="nightly", labels={"a": "b"}, samples=4)

    sweep = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == sweep["links"]["self"] == f"/v1/sweeps/{sweep['id']}"
    assert (sweep["total"], sweep["counts"], sweep["is_final"]) == (6, {"queued": 6}, False)
    assert [point["varied"] for point in sweep["points"]] == [
        {"sparsity": sparsity, "method": method}
        for sparsity in GRID["sparsity"]
        for method in GRID["method"]
    ]
    assert queue.ids == [point["job_id"] for point in sweep["points"]]
    job = client.get(f"/v1/jobs/{queue.ids[4]}").json()
    assert (job["spec"]["sparsity"], job["spec"]["method"]) == (0.5, "wanda")
    assert (job["spec"]["samples"], job["name"], job["labels"]) == (4, "nightly", {"a": "b"})
    assert job["sweep_id"] == sweep["id"]
    listed = client.get(sweep["links"]["jobs"]).json()["data"]
    assert sorted(one["id"] for one in listed) == sorted(queue.ids)
    assert client.get(sweep["links"]["self"]).json() == sweep


def test_a_list_names_its_points_one_by_one(client: TestClient) -> None:
    jobs = [{"sparsity": 0.4}, {"pattern": "2:4"}, {"method": "alps", "correction": 0.5}]
    sweep = post(client, sparsity=0.5, jobs=jobs).json()
    specs = [client.get(f"/v1/jobs/{point['job_id']}").json()["spec"] for point in sweep["points"]]
    assert [spec["sparsity"] for spec in specs] == [0.4, 0.5, 0.5]
    assert [spec["pattern"] for spec in specs] == [None, "2:4", None]
    assert [point["varied"] for point in sweep["points"]] == jobs


def test_allocations_vary_by_name_spread_and_list(client: TestClient) -> None:
    values = ["uniform", "matrix", {"name": "owl", "spread": 0.15}, [0.4, 0.6]]
    sweep = post(client, sparsity=0.5, grid={"allocation": values}).json()
    specs = [client.get(f"/v1/jobs/{point['job_id']}").json()["spec"] for point in sweep["points"]]
    assert [spec["allocation"] for spec in specs] == values
    assert [point["varied"]["allocation"] for point in sweep["points"]] == values
    same = ["owl", {"name": "owl", "spread": 0.08}]  # its default
    assert "points 0 and 1 are equal" in post(client, sparsity=0.5, grid={"allocation": same}).text


def test_presets_vary_and_a_field_of_the_sweep_overrides_theirs(client: TestClient) -> None:
    values = ["fast", "balanced", "best"]
    sweep = post(client, sparsity=0.5, recover="none", grid={"preset": values}).json()
    specs = [client.get(f"/v1/jobs/{point['job_id']}").json()["spec"] for point in sweep["points"]]
    assert [spec["preset"] for spec in specs] == values
    assert [spec["method"] for spec in specs] == ["wanda", "admm", "admm"]
    assert [spec["allocation"] for spec in specs] == ["uniform", "uniform", "owl"]
    assert [spec["recover"] for spec in specs] == [None, None, None]


def test_only_so_many_points_are_pushed_at_once(client: TestClient, queue: ListQueue) -> None:
    sweep = post(client, grid=GRID, max_parallel=2).json()
    assert sweep["max_parallel"] == 2
    assert queue.ids == [point["job_id"] for point in sweep["points"]][:2]


def test_the_points_that_no_other_beats_are_marked(client: TestClient, sessions: Sessions) -> None:
    sweep = post(client, grid={"sparsity": [0.3, 0.4, 0.5, 0.6, 0.7]}).json()
    ids = [point["job_id"] for point in sweep["points"]]
    for place, (sparsity, perplexity) in enumerate([(0.3, 20), (0.4, 30), (0.5, 30), (0.6, 50)]):
        known = {"dense_loss_known": place > 0, "perplexity_ratio": perplexity / 20}
        known |= {"dense_perplexity": 20.0}
        finish(sessions, ids[place], sparsity=sparsity, pruned_perplexity=perplexity, **known)

    read = client.get(f"/v1/sweeps/{sweep['id']}").json()

    assert [point["on_front"] for point in read["points"]] == [True, False, True, True, False]
    assert read["front"] == [ids[0], ids[2], ids[3]]
    assert read["dense"] == {"perplexity": 20, "measured": 1, "shared": 3}
    assert (read["gate"], read["best"]) == (None, None)
    assert read["counts"] == {"succeeded": 4, "queued": 1}
    third = read["points"][2]
    assert (third["sparsity"], third["perplexity"], third["perplexity_ratio"]) == (0.5, 30, 1.5)
    assert (read["points"][4]["sparsity"], read["points"][4]["perplexity"]) == (None, None)


def test_points_that_removed_parameters_are_compared_by_how_many(
    client: TestClient, sessions: Sessions
) -> None:
    grid = {"ratio": [0.1, 0.2, 0.3]}
    sweep = post(
        client, method="neurons", grid=grid, gate={"max": {"pruned_perplexity": 90}}
    ).json()
    ids = [point["job_id"] for point in sweep["points"]]
    for job_id, removed, perplexity in zip(ids, (10, 20, 30), (40, 80, 80), strict=True):
        metrics = {"sparsity": 0.0, "parameters": 100 - removed, "parameters_removed": removed}
        finish(sessions, job_id, pruned_perplexity=perplexity, **metrics)

    read = client.get(f"/v1/sweeps/{sweep['id']}").json()

    assert [point["removed"] for point in read["points"]] == [0.1, 0.2, 0.3]
    assert [point["reduction"] for point in read["points"]] == [0.1, 0.2, 0.3]
    assert [point["on_front"] for point in read["points"]] == [True, False, True]
    assert (read["front"], read["best"]) == ([ids[0], ids[2]], ids[2])


def test_the_gate_of_a_sweep_judges_each_point(client: TestClient, sessions: Sessions) -> None:
    gate = {"max": {"perplexity_ratio": 1.2}}
    sweep = post(client, grid={"sparsity": [0.4, 0.5]}, gate=gate).json()
    for point, ratio in zip(sweep["points"], (1.1, 1.3), strict=True):
        finish(sessions, point["job_id"], perplexity_ratio=ratio)
    read = client.get(f"/v1/sweeps/{sweep['id']}").json()
    assert [point["verdict"] for point in read["points"]] == ["pass", "fail"]
    assert read["is_final"] is True
    assert read["gate"] == {
        "max": {"perplexity_ratio": 1.2},
        "min": {},
        "confidence": None,
    }


def test_the_best_is_the_sparsest_that_passes(client: TestClient, sessions: Sessions) -> None:
    gate = {"max": {"perplexity_ratio": 1.2}}
    sweep = post(client, grid=GRID, gate=gate).json()
    assert sweep["best"] is None
    ratios = [(0.4, 1.01), (0.4, 1.1), (0.4, 1.0), (0.5, 1.15), (0.5003, 1.1), (0.5, 1.3)]
    for point, (sparsity, ratio) in zip(sweep["points"], ratios, strict=True):
        metrics = {"perplexity_ratio": ratio, "pruned_perplexity": 20 * ratio}
        finish(sessions, point["job_id"], sparsity=sparsity, **metrics)
    read = client.get(f"/v1/sweeps/{sweep['id']}").json()
    assert read["best"] == read["points"][4]["job_id"]


def test_a_cancel_ends_all_that_has_not_ended_and_may_be_asked_twice(
    client: TestClient, sessions: Sessions
) -> None:
    sweep = post(client, grid={"sparsity": [0.4, 0.5, 0.6]}).json()
    finish(sessions, sweep["points"][0]["job_id"], sparsity=0.4)
    for _ in range(2):
        response = client.post(sweep["links"]["cancel"])
        assert response.status_code == 200
        assert response.json()["counts"] == {"succeeded": 1, "cancelled": 2}
        assert response.json()["is_final"] is True


@pytest.mark.parametrize(
    ("fields", "code", "pointer", "words"),
    [
        ({}, "invalid_request", "", "neither grid nor jobs"),
        ({"grid": {}}, "invalid_request", "", "neither grid nor jobs"),
        ({"grid": {"sparsity": []}}, "invalid_request", "/grid/sparsity", "Use 1 or more."),
        (
            {"grid": GRID, "jobs": [{"sparsity": 0.5}]},
            "invalid_request",
            "",
            "neither grid nor jobs",
        ),
        ({"grid": {"model": ["a/b"]}}, "invalid_request", "/grid/model", "sparsity"),
        ({"grid": {"sparsity": [0.5, 1.5]}}, "invalid_request", "/grid/sparsity", "point 1"),
        ({"jobs": [{}, {"sparsity": 2}]}, "invalid_request", "/jobs/0/sparsity", "required"),
        ({"grid": {"method": ["wanda"]}}, "invalid_request", "/grid/sparsity", "required"),
        ({"grid": {"sparsity": [0.5], "method": ["x"]}}, "invalid_request", "/grid/method", "'x'"),
        (
            {"grid": {"sparsity": [n / 300 for n in range(201)]}},
            *("invalid_request", "/grid/sparsity", "200"),
        ),
        (
            {"grid": {"sparsity": [n / 20 for n in range(19)], "damping": [0.1] * 11}},
            *("invalid_request", "", "209 points"),
        ),
        (
            {"grid": {"sparsity": [0.5, 0.4], "pattern": ["2:4"]}},
            *("unfit_combination", "/sparsity", "point 1: sparsity 0.4, pattern '2:4'"),
        ),
        ({"grid": {"sparsity": [0.5, 0.4, 0.5]}}, "same_points", "/sparsity", "points 0 and 2"),
        (
            {"grid": {"sparsity": [0.5], "skip": [["\x00"]]}},
            *("invalid_request", "/grid/skip/0", "point 0"),
        ),
        ({"grid": GRID, "sparsty": 1}, "invalid_request", "/sparsty", "Did you mean sparsity?"),
        ({"grid": GRID, "max_paralel": 1}, "invalid_request", "/max_paralel", "max_parallel?"),
        ({"grid": GRID, "reuse": "if_succeeded"}, "invalid_request", "/reuse", "never"),
        ({"grid": GRID, "model": "local:/etc"}, "outside_roots", "/model", "/etc"),
    ],
)
def test_a_sweep_with_anything_wrong_makes_nothing(
    fields: dict[str, Any],
    code: str,
    pointer: str,
    words: str,
    client: TestClient,
    sessions: Sessions,
    queue: ListQueue,
) -> None:
    response = post(client, **fields)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, code), problem
    assert pointer in [one["pointer"] for one in problem["errors"]], problem
    assert words in problem["detail"]
    assert (count(sessions), count(sessions, Sweep), queue.ids) == (0, 0, [])


def test_a_dry_run_shows_the_points_and_makes_nothing(
    client: TestClient, sessions: Sessions
) -> None:
    response = client.post("/v1/sweeps?dry_run=true", json=BASE | {"grid": GRID})
    shown = response.json()
    assert (response.status_code, shown["total"]) == (200, 6)
    assert shown["points"][5]["spec"]["method"] == "magnitude"
    assert "was not checked" in shown["warnings"][0]
    assert (count(sessions), count(sessions, Sweep)) == (0, 0)


def test_the_same_sweep_with_the_same_key_is_made_once(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    first, second = post(client, "key-1", grid=GRID), post(client, "key-1", grid=GRID)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotency-replayed"] == "true"
    assert (count(sessions), count(sessions, Sweep), len(queue.ids)) == (6, 1, 6)
    other = post(client, "key-1", grid={"sparsity": [0.5]})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    job = BASE | {"sparsity": 0.5}
    elsewhere = client.post("/v1/jobs", json=job, headers={"idempotency-key": "key-1"})
    assert elsewhere.json()["code"] == "idempotency_conflict"


def test_of_many_that_come_at_once_with_one_key_one_makes_a_sweep(
    client: TestClient, sessions: Sessions
) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: post(client, "key-1", grid=GRID), range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (count(sessions), count(sessions, Sweep), count(sessions, StoredResponse)) == (6, 1, 1)


def test_sweeps_are_listed_newest_first_page_by_page(client: TestClient) -> None:
    made = [post(client, grid={"sparsity": [0.4]}).json()["id"] for _ in range(3)]
    seen, path = [], "/v1/sweeps?limit=2"
    while path:
        response = client.get(path)
        page = response.json()
        assert page["has_more"] is ("link" in response.headers)
        seen += [(sweep["id"], sweep["model"], sweep["counts"]) for sweep in page["data"]]
        path = response.headers.get("link", "")[1:].partition(">")[0]
    assert seen == [(sweep_id, "org/model", {"queued": 1}) for sweep_id in reversed(made)]
    wrong = client.get("/v1/sweeps?cursor=x&limt=1")
    assert wrong.status_code == 422
    assert "Did you mean limit?" in wrong.json()["detail"]


@pytest.mark.parametrize("path", [UNKNOWN, "x", f"{UNKNOWN}/cancel"])
def test_there_is_no_sweep_of_another_name(path: str, client: TestClient) -> None:
    verb = client.post if path.endswith("cancel") else client.get
    response = verb(f"/v1/sweeps/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "sweep_not_found")


def test_every_point_counts_towards_the_quota_of_the_key(
    client: TestClient, sessions: Sessions
) -> None:
    key, written = make_key(sessions, name="Ada", quotas=Quotas(jobs_in_flight=3))
    headers = {"authorization": f"Bearer {written}"}
    body = BASE | {"grid": {"sparsity": [0.3, 0.4]}}
    assert client.post("/v1/sweeps", json=body, headers=headers).status_code == 201
    refused = client.post("/v1/sweeps", json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    with sessions() as session:
        assert set(session.scalars(select(Job.created_by))) == {key.id}
    assert (count(sessions), count(sessions, Sweep)) == (2, 1)


def test_the_deadline_of_a_sweep_is_that_of_each_point(client: TestClient) -> None:
    sweep = post(client, grid={"sparsity": [0.4]}, deadline="2999-01-01T00:00:00Z").json()
    job = client.get(f"/v1/jobs/{sweep['points'][0]['job_id']}").json()
    assert job["deadline"] == "2999-01-01T00:00:00Z"
    late = post(client, grid={"sparsity": [0.4]}, deadline="2020-01-01T00:00:00Z")
    assert (late.status_code, late.json()["code"]) == (422, "deadline_passed")
