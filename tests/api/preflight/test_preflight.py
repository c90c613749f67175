"""What a job names is checked before the job is created."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.files.file_check import SMALL_BYTES
from tests.worker.sources.builders import scaled_files, write

JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
QUESTION = {"question": "2 + 2 =", "choices": ["3", "4"], "answer": "B"}


def upload(client: TestClient, *rows: dict[str, Any]) -> dict[str, Any]:
    content = "".join(json.dumps(row) + "\n" for row in rows)
    headers = {"content-type": "application/jsonl"}
    made: dict[str, Any] = client.post("/v1/datasets", content=content, headers=headers).json()
    return made


def submit(client: TestClient, *tasks: str, **fields: Any) -> Any:
    return client.post("/v1/jobs", json=JOB | {"tasks": tasks} | fields)


def test_an_uploaded_dataset_of_questions_is_a_task_and_is_kept_for_its_job(
    client: TestClient,
) -> None:
    made = upload(client, QUESTION)
    task = made["dataset"]
    gate = {"max": {f"acc_drop.{task}": 0.02}}
    response = submit(client, "boolq", task, gate=gate)
    assert response.status_code == 201, response.json()
    assert response.json()["spec"]["tasks"] == ["boolq", task]
    deleted = client.delete(f"/v1/datasets/{made['id']}")
    assert (deleted.status_code, deleted.json()["code"]) == (409, "dataset_in_use")


@pytest.mark.parametrize("count", [1, 1 + SMALL_BYTES // 64])
def test_a_wrong_question_of_a_task_is_refused_with_its_line(
    client: TestClient, count: int
) -> None:
    task = upload(client, *[QUESTION] * count, QUESTION | {"answer": "C"})["dataset"]
    refused = submit(client, task)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "unreadable_dataset")
    assert problem["errors"][0]["pointer"] == "/tasks"
    assert f'line {count + 1}: answer is "C", which is none of the 2 choices' in problem["detail"]
    assert "its letter" in problem["hint"]


def test_a_task_may_be_a_file_below_the_dataset_roots(client: TestClient, roots: Path) -> None:
    (roots / "own.jsonl").write_text(json.dumps(QUESTION))
    assert submit(client, "local:own.jsonl").status_code == 201
    (roots / "own.jsonl").write_text("{}")
    assert "line 1 has no field question" in submit(client, "local:own.jsonl").json()["detail"]
    assert submit(client, "local:../own.jsonl").json()["code"] == "outside_roots"


def test_a_task_that_was_never_uploaded_is_refused(client: TestClient) -> None:
    refused = submit(client, "uploaded:dat_" + "0" * 32)
    assert (refused.status_code, refused.json()["code"]) == (422, "dataset_not_found")


def test_questions_whose_answers_are_ranked_are_checked_as_those_of_a_task(
    client: TestClient,
) -> None:
    good = upload(client, QUESTION)["dataset"]
    gate = {"min": {"ranking.pruned_ranker": 0.1}}
    response = submit(client, rank_answers={"dataset": good}, gate=gate)
    assert response.status_code == 201, response.json()
    assert response.json()["spec"]["rank_answers"]["drawn"] == 8
    wrong = upload(client, QUESTION, QUESTION | {"answer": "C"})["dataset"]
    problem = submit(client, rank_answers={"dataset": wrong}).json()
    assert problem["errors"][0]["pointer"] == "/rank_answers/dataset"
    assert "line 2: answer is" in problem["detail"]
    long = {"choices": ["no", "one two three four five six seven eight nine"], "answer": 1}
    too_long = upload(client, QUESTION, QUESTION | long)["dataset"]
    problem = submit(client, rank_answers={"dataset": too_long}).json()
    assert "its question 2 has 9 words, and answers are drawn of at most 8" in problem["detail"]
    assert submit(client, too_long).status_code == 201  # a task compares, and draws no answers
    missing = submit(client, rank_answers={"dataset": "local:none.jsonl"}).json()
    assert "Name a JSONL file that exists" in missing["hint"]
    unmeasured = submit(client, gate=gate).json()
    assert unmeasured["errors"][0]["pointer"] == "/gate/min"


def test_8_bit_floats_are_accepted_where_no_weight_changes(client: TestClient, roots: Path) -> None:
    write(roots / "scaled", scaled_files())
    job = {"model": "local:scaled", "dataset": "wikitext2", "method": "experts", "experts": 4}
    assert client.post("/v1/jobs", json=job).status_code == 201
    refused = client.post("/v1/jobs", json=job | {"refine": True}).json()
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("quantized", "/model")
    assert "set method to experts, without refine" in refused["hint"]
    for refine in ([False, True], [True, False]):
        sweep = client.post("/v1/sweeps", json=job | {"grid": {"refine": refine}}).json()
        assert (sweep["code"], sweep["errors"][0]["pointer"]) == ("quantized", "/model")


def test_the_text_of_a_smaller_vocabulary_is_checked_as_any_other(client: TestClient) -> None:
    missing = submit(client, vocabulary={"dataset": "local:none.txt"}).json()
    assert missing["errors"][0]["pointer"] == "/vocabulary/dataset"
    text = upload(client, {"content": "a text"})["dataset"]
    unnamed = submit(client, vocabulary={"dataset": text}).json()
    assert unnamed["errors"][0]["pointer"] == "/vocabulary/dataset"
    assert "Set vocabulary.text_field to the one with text" in unnamed["hint"]
    named = submit(client, vocabulary={"dataset": text, "text_field": "content"})
    assert named.status_code == 201, named.json()
