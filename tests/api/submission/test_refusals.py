"""Invalid jobs are refused before a row is written, with field, value and remedy."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from tests.api.traces import is_unchanged, traces
from tests.fakes import ListQueue
from tests.waiting import eventually
from tests.worker.sources.builders import (
    CONFIG,
    as_json,
    framed,
    model_files,
    scaled_files,
    sharded_files,
    write,
)

SMALLEST = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}

Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(client: TestClient, sessions: Sessions, queue: ListQueue, tmp_path: Path) -> Refused:
    """Submit an invalid job; return its problem after checking that the request left no trace."""

    def submit(status: int = 422, path: str = "/v1/jobs", **fields: Any) -> dict[str, Any]:
        before = traces(sessions, tmp_path)
        response = client.post(path, json=SMALLEST | fields)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        eventually(lambda: is_unchanged(before, traces(sessions, tmp_path)))
        assert queue.ids == []
        problem: dict[str, Any] = response.json()
        assert client.get(problem["type"]).status_code == 200
        return problem

    return submit


def names(problem: dict[str, Any], field: str, value: str, code: str) -> bool:
    """Whether the problem names the field, its value, a code, and a remedy."""
    (error,) = problem["errors"]
    assert (error["pointer"], error["code"]) == (f"/{field}", code)
    assert field in error["detail"]
    assert value in error["detail"]
    assert problem["hint"]
    return bool(error["detail"].endswith(problem["hint"]))


@pytest.fixture
def model(roots: Path) -> Path:
    config = CONFIG | {"max_position_embeddings": 64}
    return write(roots / "tiny", model_files(config__json=as_json(config)))


@pytest.mark.parametrize(
    ("fields", "field", "value", "code"),
    [
        ({"sparsity": 1.2}, "sparsity", "1.2", "less_than"),
        ({"sparsity": -0.1}, "sparsity", "-0.1", "greater_than_equal"),
        ({"sparsity": "half"}, "sparsity", "'half'", "float_type"),
        ({"method": "wonder"}, "method", "'wonder'", "enum"),
        ({"allocation": "both"}, "allocation", "'both'", "allocation"),
        ({"allocation": [0.5, 1.0]}, "allocation", "[0.5, 1.0]", "allocation"),
        ({"allocation": []}, "allocation", "[]", "allocation"),
        ({"allocation": {"name": "owl", "spread": 0.6}}, "allocation", "at most 0.5", "allocation"),
        ({"samples": 0}, "samples", "0", "greater_than_equal"),
        ({"samples": 1.5}, "samples", "1.5", "int_type"),
        ({"seq_len": 10**6}, "seq_len", "1000000", "less_than_equal"),
        ({"eval_samples": 10**300}, "eval_samples", "1000", "less_than_equal"),
        ({"revision": "-x"}, "revision", "'-x'", "string_pattern_mismatch"),
        ({"model": ""}, "model", "''", "string_too_short"),
        ({"model": "m" * 600}, "model", "'mmm", "string_too_long"),
        ({"model": ["a"]}, "model", "['a']", "string_type"),
        ({"sparcity": 0.5}, "sparcity", "0.5", "extra_forbidden"),
        ({"colour": "red"}, "colour", "'red'", "extra_forbidden"),
        ({"sparsity": 0.0}, "sparsity", "0.0", "unfit_combination"),
        ({"sparsity": 0}, "sparsity", "0.0", "unfit_combination"),
        ({"pattern": "2to4"}, "pattern", "'2to4'", "pattern"),
        ({"pattern": "2:4:8"}, "pattern", "'2:4:8'", "pattern"),
        ({"pattern": "2:4", "sparsity": 0.6}, "sparsity", "0.6", "unfit_combination"),
        ({"pattern": "1:4"}, "sparsity", "0.5", "unfit_combination"),
    ],
)
def test_a_field_out_of_its_bounds_or_unknown(
    refused: Refused, fields: dict[str, Any], field: str, value: str, code: str
) -> None:
    assert names(refused(**fields), field, value, code)


def test_an_unknown_field_that_was_nearly_right_is_recognised(refused: Refused) -> None:
    assert refused(sparcity=0.5)["hint"] == "Did you mean sparsity?"


def test_every_wrong_field_is_named_at_once(refused: Refused) -> None:
    problem = refused(sparsity=2, seed=-1, colour="red")
    assert {one["pointer"] for one in problem["errors"]} == {"/sparsity", "/seed", "/colour"}


@pytest.mark.parametrize(
    "fields",
    [
        {f"field {number}": 1 for number in range(3000)},
        {"labels": {f" {number}": "" for number in range(3000)}},
        {"gate": {"max": {f" {number}": "" for number in range(3000)}}},
    ],
)
def test_of_many_wrong_fields_some_are_named(refused: Refused, fields: dict[str, Any]) -> None:
    problem = refused(**fields)
    assert len(problem["errors"]) == 20
    assert re.search(r" And \d{4} more\.$", problem["detail"])
    assert len(json.dumps(problem)) < 40_000


def test_a_body_of_more_fields_than_any_job_has_is_not_looked_at(client: TestClient) -> None:
    labels = {f" {number}": 1 for number in range(6000)}
    response = client.post("/v1/jobs", json=SMALLEST | {"labels": labels})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert response.json()["detail"] == "A request body may have 5000 fields."
    for other in (response, client.get("/v1/nowhere"), client.get("/v1/v1/jobs")):
        page = client.get(other.json()["type"])
        assert page.status_code == 200
        assert other.json()["code"] in page.text


def test_of_a_list_of_wrong_values_the_first_is_named(refused: Refused) -> None:
    (error,) = refused(skip=[1] * 100_000)["errors"]
    assert error["pointer"] == "/skip/0"


@pytest.mark.parametrize(
    "value",
    ["x" * 100_000, [["x" * 1000] * 9] * 9, 10**4000, {"a": 1}],
    ids=["text", "list", "number", "object"],
)
def test_a_long_value_is_quoted_in_part(refused: Refused, value: Any) -> None:
    assert len(refused(sparsity=value)["detail"]) < 400
    points = {"sparsity": 0.5, "jobs": [{"pattern": value, "skip": value, "solver": value}]}
    sweep = refused(path="/v1/sweeps", **points)
    assert len(sweep["errors"]) == 3
    assert len(sweep["detail"]) < 4000


def test_labels_are_few_and_short(refused: Refused) -> None:
    assert refused(labels={"a": "x" * 300})["errors"][0]["pointer"] == "/labels/a"
    assert refused(labels={str(n): "" for n in range(40)})["errors"][0]["code"] == "too_long"


def test_a_missing_field_is_asked_for(client: TestClient) -> None:
    problem = client.post("/v1/jobs", json={"model": "org/model", "sparsity": 0.5}).json()
    assert problem["detail"] == "dataset: is required. Add it."


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"null", b"7"])
def test_a_body_that_is_no_object_is_422(client: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = client.post("/v1/jobs", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("body", [b"{", b'{"model": }', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_is_400(client: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = client.post("/v1/jobs", content=body, headers=headers)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"model": "a\xe9"}', "The body is not UTF-8 from byte 12 on."),
        (b"[" * 100_000, "The body has lists or objects within each other"),
        (b'{"model": }', "Expecting value at byte 10."),
    ],
)
def test_a_body_that_cannot_be_parsed_is_described(
    client: TestClient, body: bytes, reason: str
) -> None:
    headers = {"content-type": "application/json"}
    problem = client.post("/v1/jobs", content=body, headers=headers).json()
    assert (problem["code"], problem["hint"]) == (
        "malformed_json",
        "Send one JSON object in UTF-8.",
    )
    assert problem["detail"].startswith(reason)


def test_a_name_that_an_object_has_twice_is_refused(client: TestClient) -> None:
    job = '{"model": "a/b", "sparsity": 0.5, "dataset": "c4", %s}'
    headers = {"content-type": "application/json"}
    for twice in ('"sparsity": 0.6', '"labels": {"model": "1", "a": "2", "a": "2"}'):
        response = client.post("/v1/jobs", content=job % twice, headers=headers)
        problem = response.json()
        assert (response.status_code, problem["code"]) == (400, "duplicate_key")
        assert re.search(r"the name '(sparsity|a)' twice", problem["detail"])
        assert client.get(problem["type"]).status_code == 200
    fine = client.post("/v1/jobs", content=job % '"labels": {"model": "1"}', headers=headers)
    assert fine.status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "\\ud800", "sparsity": 0.5, "dataset": "c4"}',
        b'{"\\ud800": 1, "model": "a/b", "sparsity": 0.5, "dataset": "c4"}',
        b'{"model": "a/b", "sparsity": NaN, "dataset": "c4"}',
        b'{"model": "a/b", "sparsity": Infinity, "dataset": "c4"}',
        b'{"model": "a/b", "sparsity": 1e999, "dataset": "c4"}',
        b'{"model": "a\\u0000b", "sparsity": 0.5, "dataset": "c4"}',
        b'{"model": "local:a\\u0000b", "sparsity": 0.5, "dataset": "c4"}',
        b'{"model": "local:' + b"a/" * 250 + b'", "sparsity": 0.5, "dataset": "c4"}',
        b'{"model": "local:' + b"a" * 400 + b'", "sparsity": 0.5, "dataset": "c4"}',
        b'{"model": "a/b", "sparsity": 0.5, "dataset": "c4", "seed": ' + b"9" * 4000 + b"}",
        b'{"model": "a/b", "sparsity": 0.5, "dataset": "c4", "labels": {"a": "\\u0000"}}',
    ],
)
def test_hostile_values_are_refused_and_quoted_without_harm(
    client: TestClient, body: bytes
) -> None:
    headers = {"content-type": "application/json"}
    response = client.post("/v1/jobs", content=body, headers=headers)
    assert response.status_code == 422, response.text
    assert response.json()["errors"]


def test_a_form_is_not_taken_for_json(client: TestClient) -> None:
    body = b'{"model": "a/b", "sparsity": 0.5, "dataset": "c4"}'
    response = client.post("/v1/jobs", content=body, headers={"content-type": "text/plain"})
    assert response.status_code == 422
    assert "application/json" in response.json()["hint"]


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"model": "a/b/c"}, "model", "invalid_name"),
        ({"model": "local:link"}, "model", "outside_roots"),
        ({"model": "local:none"}, "model", "model_not_found"),
        ({"model": "local:."}, "model", "no_config"),
        ({"revision": "main", "model": "local:tiny"}, "revision", "revision_of_a_folder"),
        ({"dataset": "/etc/passwd"}, "dataset", "outside_roots"),
    ],
)
def test_a_name_that_stands_for_nothing_usable(
    refused: Refused, roots: Path, model: Path, fields: dict[str, Any], field: str, code: str
) -> None:
    (roots / "link").symlink_to(roots.parent)
    assert names(refused(**{"model": "local:tiny"} | fields), field, fields[field], code)


SHARD = "model-00002-of-00002.safetensors"
TRUNCATED = model_files()["model.safetensors"][:-4]


@pytest.mark.parametrize(
    ("files", "code", "text"),
    [
        ({"config__json": b"{"}, "malformed_config", "config.json is not JSON"),
        ({"config__json": b"[]"}, "malformed_config", "config.json is not a JSON object"),
        (
            {"config__json": as_json(CONFIG | {"auto_map": {"AutoModel": "evil.Model"}})},
            *("custom_code", "config.json asks to run its own code (auto_map)"),
        ),
        (
            {"tokenizer_config__json": as_json({"auto_map": {"AutoTokenizer": ["evil.T", None]}})},
            *("custom_code", "tokenizer_config.json asks to run its own code (auto_map)"),
        ),
        (
            {"config__json": as_json(CONFIG | {"quantization_config": {"bits": 4}})},
            *("quantized", "config.json has a quantization_config"),
        ),
        (
            scaled_files(),
            *("quantized", "config.json has a quantization_config"),
        ),
        (
            {"config__json": as_json(CONFIG | {"num_hidden_layers": 2_000_000})},
            *("malformed_config", "num_hidden_layers = 2000000"),
        ),
        (
            {"config__json": as_json(CONFIG | {"num_hidden_layers": 3})},
            *("malformed_config", "its tensors have 1 at most"),
        ),
        ({"model__safetensors": b"\0" * 4}, "truncated_weights", "before its header does"),
        ({"model__safetensors": TRUNCATED}, "truncated_weights", "ends inside tensor 'b'"),
        ({"model__safetensors": b"garbage " * 9}, "oversized_header", "model.safetensors claims"),
        ({"model__safetensors": framed(b"garbage", 9)}, "malformed_weights", "is not JSON"),
    ],
)
def test_a_folder_whose_files_cannot_be_used(
    refused: Refused, roots: Path, files: dict[str, bytes], code: str, text: str
) -> None:
    write(roots / "odd", model_files(**files))
    for path in ("/v1/jobs", "/v1/jobs?dry_run=true", "/v1/estimates"):
        problem = refused(path=path, model="local:odd")
        assert names(problem, "model", "local:odd", code)
        assert text in problem["detail"]
    assert refused(path="/v1/sweeps", model="local:odd", grid={"sparsity": [0.5]})["code"] == code


def test_a_folder_without_one_of_its_shards(refused: Refused, roots: Path) -> None:
    files = sharded_files()
    del files[SHARD]
    write(roots / "odd", files)
    problem = refused(model="local:odd")
    assert names(problem, "model", "local:odd", "missing_shard")
    assert f"names '{SHARD}', which is missing" in problem["detail"]


@pytest.mark.process  # one that reads the tokenizer
def test_a_good_folder_and_a_good_text_are_accepted_without_a_warning(
    client: TestClient, roots: Path, model: Path
) -> None:
    (roots / "text.txt").write_text("Grüße " * 20_000, encoding="utf-8")
    job = SMALLEST | {"model": "local:tiny", "dataset": "local:text.txt"}
    response = client.post("/v1/jobs", json=job)
    assert response.status_code == 201
    assert response.json()["warnings"] == []
    absolute = SMALLEST | {"model": str(model), "dataset": str(roots / "text.txt")}
    assert client.post("/v1/jobs", json=absolute).status_code == 201


@pytest.mark.parametrize("field", ["dataset", "eval_dataset"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.txt", None),
        ("empty.txt", b" \n"),
        ("binary.txt", b"\x7fELF\x00\x00"),
        ("latin.txt", "Größe".encode("latin-1")),
        ("rows.jsonl", b'{"text": "a"}\n{"text": '),
        ("other.jsonl", b'{"content": "a"}\n'),
        ("list.jsonl", b'["a"]\n'),
        ("deep.jsonl", b"[" * 60_000 + b"\n"),
    ],
)
def test_an_unreadable_dataset(
    refused: Refused, roots: Path, model: Path, field: str, name: str, content: bytes | None
) -> None:
    if content is not None:
        (roots / name).write_bytes(content)
    problem = refused(**{"model": "local:tiny", field: f"local:{name}"})
    assert names(problem, field, f"local:{name}", "unreadable_dataset")


def test_a_dataset_that_is_a_pipe_does_not_hang_the_request(
    refused: Refused, roots: Path, model: Path
) -> None:
    os.mkfifo(roots / "pipe.txt")
    problem = refused(model="local:tiny", dataset="local:pipe.txt")
    assert names(problem, "dataset", "local:pipe.txt", "unreadable_dataset")
