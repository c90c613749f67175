from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.core.states import JobState
from db.tables.jobs import Job
from tests.factories import make_job, make_spec

PROTOCOL = {"dataset": "wikitext2", "window": 2048, "dtype": "float32", "token_ids_sha256": "a"}
METRICS = {
    "sparsity": 0.5,
    "dense_perplexity": 20.0,
    "pruned_perplexity": 30.0,
    "acc": {"arc_easy": 0.6},
    "dense_loss_known": False,
    "protocol": PROTOCOL,
}


def finished(
    sessions: Sessions,
    metrics: dict[str, Any] | None = None,
    protocol: dict[str, Any] | None = None,
    **spec: Any,
) -> Job:
    result = METRICS | {"protocol": PROTOCOL | (protocol or {})} | (metrics or {})
    return make_job(sessions, make_spec(**spec), status=JobState.succeeded, result=result)


def compare(client: TestClient, *jobs: Job) -> dict[str, Any]:
    response = client.get("/v1/compare", params={"ids": ",".join(job.id for job in jobs)})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_what_differs_is_shown_and_figures_are_held_against_the_first(
    client: TestClient, sessions: Sessions
) -> None:
    first = finished(sessions)
    better = {"sparsity": 0.6, "pruned_perplexity": 28.0, "acc": {"arc_easy": 0.7}, "new": 1}
    second = finished(sessions, better, sparsity=0.6, method="wanda")

    found = compare(client, first, second)

    assert (found["comparable"], found["reasons"]) == (True, [])
    assert found["differences"] == {"sparsity": [0.5, 0.6], "method": ["zpruner", "wanda"]}
    one, other = found["jobs"]
    assert set(one["deltas"].values()) == {0}
    assert other["deltas"] == pytest.approx(
        {"sparsity": 0.1, "dense_perplexity": 0, "pruned_perplexity": -2, "acc.arc_easy": 0.1}
    )
    assert other["metrics"]["new"] == 1
    assert [one["reduction"], other["reduction"]] == [0.5, 0.6]


def test_each_job_says_what_keeps_it_from_being_held_against_the_first(
    client: TestClient, sessions: Sessions
) -> None:
    first, same = finished(sessions), finished(sessions, sparsity=0.6)
    other = finished(sessions, model="org/other")
    found = compare(client, first, same, other)
    assert found["comparable"] is False
    assert [job["obstacles"] for job in found["jobs"]] == [
        [],
        [],
        ["the models differ: org/model, org/other"],
    ]


def test_other_texts_are_no_reason_to_suspect_another_dense_model(
    client: TestClient, sessions: Sessions
) -> None:
    other = finished(sessions, {"dense_perplexity": 90.0}, {"token_ids_sha256": "b"})
    found = compare(client, finished(sessions), other)
    assert found["reasons"] == ["the evaluations differ in token_ids_sha256: a, b"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"protocol": {"window": 1024, "token_ids_sha256": "b"}}, "window: 2048, 1024"),
        (
            {"protocol": {"bos": True, "token_ids_sha256": "b"}},
            "the evaluated texts start differently: not known, with a beginning-of-text token",
        ),
        ({"protocol": {"dtype": "bfloat16"}}, "dtype: float32, bfloat16"),
        ({"model": "org/other"}, "models differ: org/model, org/other"),
        ({"metrics": {"dense_perplexity": 21.0}}, "dense models' perplexities differ"),
        ({"metrics": {"protocol": None}, "seq_len": 64}, "seq_len: None, 64"),
        ({"metrics": {"protocol": None}, "eval_dataset": "c4"}, "eval_dataset: None, c4"),
    ],
)
def test_figures_of_different_measurements_are_not_comparable(
    changed: dict[str, Any], reason: str, client: TestClient, sessions: Sessions
) -> None:
    found = compare(client, finished(sessions), finished(sessions, **changed))
    assert found["comparable"] is False
    assert reason in "; ".join(found["reasons"])


@pytest.mark.parametrize(
    ("digests", "limit", "reasons"),
    [
        ({"arc_easy": "a", "rte": "c"}, 9, []),
        ({"rte": "c"}, 9, []),
        ({"arc_easy": "b"}, None, ["the items of task arc_easy differ"]),
        ({"arc_easy": "b"}, 9, ["the items of task arc_easy differ: task_limit is None, 9"]),
    ],
)
def test_accuracies_on_different_items_are_not_comparable(
    digests: dict[str, str],
    limit: int | None,
    reasons: list[str],
    client: TestClient,
    sessions: Sessions,
) -> None:
    same = {"items_sha256": {"arc_easy": "a"}}
    first, third = (finished(sessions, same, tasks=["arc_easy"]) for _ in range(2))
    other = {"items_sha256": digests}
    second = finished(sessions, other, tasks=["arc_easy"], task_limit=limit)
    found = compare(client, first, second, third)
    assert found["reasons"] == reasons
    assert [one["obstacles"] for one in found["jobs"]] == [[], reasons, []]


def test_rankings_of_other_answers_are_not_comparable(
    client: TestClient, sessions: Sessions
) -> None:
    one, same, other = (finished(sessions, {"ranking_sha256": digest}) for digest in "aab")
    assert compare(client, one, same, finished(sessions))["comparable"] is True
    found = compare(client, one, other)
    assert found["reasons"] == ["the questions of rank_answers, or how answers were drawn, differ"]


def test_without_digests_of_the_items_their_limits_must_be_equal(
    client: TestClient, sessions: Sessions
) -> None:
    jobs = [finished(sessions, tasks=["arc_easy"], task_limit=limit) for limit in (9, 9, 10)]
    assert compare(client, *jobs[:2])["comparable"] is True
    assert compare(client, *jobs)["reasons"] == [
        "the items of task arc_easy differ: task_limit is 9, 10"
    ]


def test_jobs_with_the_same_tokens_are_compared_even_if_their_texts_have_other_names(
    client: TestClient, sessions: Sessions
) -> None:
    other = finished(sessions, protocol={"dataset": "local:a.txt"}, dataset="local:a.txt")
    assert compare(client, finished(sessions), other)["comparable"] is True


def test_a_job_that_has_no_figures_is_not_comparable(
    client: TestClient, sessions: Sessions
) -> None:
    found = compare(client, finished(sessions), make_job(sessions))
    assert found["comparable"] is False
    assert "is queued" in found["reasons"][0]
    assert found["jobs"][1]["metrics"] is None
    assert found["jobs"][1]["deltas"] == {}


@pytest.mark.parametrize("count", [0, 1, 21])
def test_two_to_twenty_jobs_can_be_compared(count: int, client: TestClient) -> None:
    ids = ",".join(f"job_{number:032}" for number in range(count))
    response = client.get("/v1/compare", params={"ids": ids})
    assert response.status_code == 422
    assert "2 to 20" in response.json()["detail"]


def test_names_that_are_no_jobs_are_refused(client: TestClient, sessions: Sessions) -> None:
    job = make_job(sessions)
    for ids in (job.id, f"{job.id},x", f"{job.id}, {job.id}", f"{job.id},,{job.id}"):
        assert client.get("/v1/compare", params={"ids": ids}).status_code == 422
    unknown = client.get("/v1/compare", params={"ids": f"{job.id},job_{'0' * 32}"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "job_not_found")
    missing = client.get("/v1/compare")
    assert "ids: is required" in missing.json()["detail"]
