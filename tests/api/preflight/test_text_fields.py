"""The field of a dataset's rows that a job reads is checked at submission."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

JOB = {"model": "org/model", "sparsity": 0.5}
CHATS = b'{"messages": [{"role": "user", "content": "a"}]}\n'


def upload(client: TestClient, content: bytes, kind: str) -> Any:
    return client.post("/v1/datasets", content=content, headers={"content-type": kind})


def submit(client: TestClient, **fields: Any) -> Any:
    return client.post("/v1/jobs?dry_run=true", json=JOB | {"dataset": "wikitext2"} | fields)


@pytest.mark.parametrize(
    ("content", "kind", "text_field", "there"),
    [
        (b"id,text\n1,a\n", "text/csv", None, ["id", "text"]),
        (b"id,body\n1,a\n", "text/csv; charset=utf-8", "body", ["id", "body"]),
        (CHATS, "application/jsonl", None, ["messages"]),
        (b'{"body": "a", "id": 1}\n', "application/jsonl", "body", ["body", "id"]),
        (CHATS.replace(b"messages", b"talk"), "application/jsonl", "talk", ["talk"]),
    ],
)
def test_rows_are_uploaded_and_their_field_is_chosen_by_the_job(
    client: TestClient, content: bytes, kind: str, text_field: str | None, there: list[str]
) -> None:
    made = upload(client, content, kind)
    assert made.status_code == 201, made.json()
    for field in ("dataset", "eval_dataset"):
        choice = {"dataset": "text_field", "eval_dataset": "eval_text_field"}[field]
        fields = {field: made.json()["dataset"]}
        accepted = submit(client, **fields | {choice: text_field})
        assert accepted.status_code == 200, accepted.json()
        assert accepted.json()["spec"][choice] == text_field
        refused = submit(client, **fields | {choice: "nope"}).json()
        assert (refused["code"], refused["errors"][0]["pointer"]) == (
            "unknown_text_field",
            f"/{choice}",
        )
        assert f"its fields are {', '.join(there)}" in refused["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "text"),
    [
        (b'{"id": 1, "score": 2}\n', "application/jsonl", 422, "its fields are id, score"),
        (b"id,body\n,\n, \n", "text/csv", 422, "line 2 has no field with text"),
        (b"id,text\n1,a,b\n", "text/csv", 422, "line 2 has 3 cells"),
        (b"id,text\n", "text/csv", 422, "no rows"),
        (b"a\tb\n", "text/tab-separated-values", 415, "text/csv"),
        (b"PAR1", "application/vnd.apache.parquet", 415, "local: files"),
    ],
)
def test_a_table_that_no_job_could_read_is_refused(
    client: TestClient, content: bytes, kind: str, status: int, text: str
) -> None:
    response = upload(client, content, kind)
    assert response.status_code == status
    assert text in response.json()["detail"] + response.json()["hint"]


@pytest.mark.parametrize(
    ("fields", "pointer", "text"),
    [
        ({"text_field": "text"}, "/text_field", "built in"),
        ({"eval_text_field": "text"}, "/eval_text_field", "no eval_dataset"),
        ({"eval_dataset": "ptb", "eval_text_field": "a"}, "/eval_text_field", "built in"),
        ({"eval_dataset": "c4@2048", "eval_text_field": "a"}, "/eval_text_field", "built in"),
        ({"eval_dataset": "c4@many"}, "/eval_dataset", "no window length"),
        ({"dataset": "c4@2048"}, "/dataset", "only eval_dataset"),
        ({"dataset": "local:a.txt", "text_field": "a"}, "/text_field", "plain text"),
        ({"dataset": "local:a.csv"}, "/dataset", "its fields are id, body"),
        ({"dataset": "local:a.csv", "text_field": "nope"}, "/text_field", "are id, body"),
        ({"dataset": "local:a.parquet"}, "/dataset", "not a readable Parquet file"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_before_a_worker_is_used(
    client: TestClient, roots: Path, fields: dict[str, str], pointer: str, text: str
) -> None:
    (roots / "a.txt").write_text("a text")
    (roots / "a.csv").write_text("id,body\n1,a\n")
    (roots / "a.parquet").write_text("nothing of the kind")
    response = client.post("/v1/jobs", json=JOB | {"dataset": "wikitext2"} | fields)
    (problem,) = response.json()["errors"]
    assert (response.status_code, problem["pointer"]) == (422, pointer)
    assert text in problem["detail"]
    assert client.get(response.json()["type"]).status_code == 200


def test_rows_that_are_read_as_plain_text_are_warned_of(client: TestClient, roots: Path) -> None:
    (roots / "a.txt").write_bytes(CHATS)
    (roots / "b.txt").write_text("{no rows}\n")
    for name, is_warned in (("a", True), ("b", False)):
        warnings = submit(client, dataset=f"local:{name}.txt").json()["warnings"]
        assert is_warned == any("read as plain text" in one and ".jsonl" in one for one in warnings)
