"""A job that evaluates on the text that it calibrates on is accepted with a warning."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

JOB = {"model": "org/model", "sparsity": 0.5}
WARNING = "eval_dataset is the text of dataset, which the model is calibrated on"


def warnings(client: TestClient, **fields: Any) -> list[str]:
    """Return what submitting and a dry run say of the texts, which must be the same."""
    paths = ("/v1/jobs", "/v1/jobs?dry_run=true")
    responses = [client.post(path, json=JOB | fields) for path in paths]
    assert [one.status_code for one in responses] == [201, 200], responses[0].text
    found = [
        [text for text in one.json()["warnings"] if "calibrated on" in text] for one in responses
    ]
    assert found[0] == found[1]
    return found[0]


def upload(client: TestClient, content: str) -> str:
    headers = {"content-type": "application/jsonl"}
    made = client.post("/v1/datasets", content=content, headers=headers)
    name: str = made.json()["dataset"]
    return name


def test_an_uploaded_text_that_calibrates_and_evaluates_is_warned_of_under_any_name(
    client: TestClient, roots: Path
) -> None:
    text = "".join(json.dumps({"text": f"row {number}"}) + "\n" for number in range(20))
    dataset = upload(client, text)
    (warning,) = warnings(client, dataset=dataset, eval_dataset=dataset)
    assert warning.startswith(WARNING)
    assert "perplexity may be too good" in warning
    assert "Leave eval_dataset out" in warning
    (roots / "copy.jsonl").write_text(text)
    assert len(warnings(client, dataset=dataset, eval_dataset="local:copy.jsonl")) == 1
    (roots / "copy.jsonl").write_text(text.replace("9", "8"))
    assert warnings(client, dataset=dataset, eval_dataset="local:copy.jsonl") == []
    assert warnings(client, dataset=dataset) == []


def test_two_fields_of_the_rows_of_one_file_are_two_texts(client: TestClient) -> None:
    dataset = upload(client, '{"a": "one", "b": "two"}\n')
    fields = {"dataset": dataset, "eval_dataset": dataset, "text_field": "a"}
    assert warnings(client, **fields, eval_text_field="b") == []
    assert len(warnings(client, **fields, eval_text_field="a")) == 1


@pytest.mark.parametrize(
    ("dataset", "eval_dataset", "count"),
    [
        ("wikitext2", "wikitext2", 0),  # of another split
        ("stdlib-docs", "stdlib-docs", 0),  # of other modules
        ("pile", "pile", 1),
        ("c4", "c4@2048", 0),
        ("org/texts", "org/texts", 1),
        ("org/texts", "org/others", 0),
    ],
)
def test_a_dataset_of_the_hub_is_warned_of_unless_the_evaluation_has_a_split_of_its_own(
    dataset: str, eval_dataset: str, count: int, client: TestClient
) -> None:
    found = warnings(client, dataset=dataset, eval_dataset=eval_dataset)
    assert len(found) == count
    assert ["split of its own" in one for one in found] == [dataset.startswith("org/")] * count


def test_a_second_calibration_text_is_warned_of_as_well(client: TestClient, roots: Path) -> None:
    (roots / "kept.txt").write_text("a text " * 100)
    fields = {"method": "neurons", "ratio": 0.25, "dataset": "wikitext2"}
    (warning,) = warnings(
        client,
        **fields,
        sparsity=0.0,
        keep_dataset="local:kept.txt",
        eval_dataset="local:kept.txt",
    )
    assert "the text of keep_dataset" in warning
