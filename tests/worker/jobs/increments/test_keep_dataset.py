"""Jobs that spare the channels that matter on a second text."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

NEURONS = {"method": "neurons", "ratio": 0.3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    texts = {"goal": random_ids(30, 16, seed=1), "keep": random_ids(20, 16, seed=5) // 8}
    for name, ids in (texts | {"eval": random_ids(3, 16, seed=2)}).items():
        rows = "".join(json.dumps({"input_ids": row}) + "\n" for row in ids.tolist())
        (tmp_path / f"{name}.jsonl").write_text(rows)
    return tmp_path


def run(folder: Path, out: str, **fields: Any) -> dict[str, Any]:
    texts = {"dataset": "goal", "eval_dataset": "eval", "keep_dataset": "keep"}
    own = {name: str(folder / f"{file}.jsonl") for name, file in texts.items()}
    own["model"] = str(folder / "dense")
    spec = PruneSpec.model_validate(own | NEURONS | {"samples": 16, "dtype": "float32"} | fields)
    (folder / out).mkdir()
    run_to_end(prune(spec, folder / out, Resources(device="cpu")))
    report: dict[str, Any] = json.loads((folder / out / "report.json").read_text())
    return report


def removed(report: dict[str, Any]) -> list[list[Any]]:
    return [block["removed"][0]["ranges"] for block in report["blocks"]]


def test_the_second_text_changes_what_goes_and_is_named_wherever_a_text_is(folder: Path) -> None:
    both, alone = run(folder, "both"), run(folder, "alone", keep_dataset=None)
    assert removed(both) != removed(alone)
    assert (both["keep"]["windows"], both["calibration"]["windows"]) == (16, 16)
    assert "keep" not in alone
    statement = json.loads((folder / "both" / "provenance.json").read_text())
    definition = statement["predicate"]["buildDefinition"]
    (text,) = (one for one in definition["resolvedDependencies"] if one["name"] == "keep")
    assert text["digest"]["sha256"] == both["keep"]["dataset_sha256"]
    assert definition["externalParameters"]["keep_dataset"] == "local:keep.jsonl"
    card = (folder / "both" / "README.md").read_text()
    assert "channels that matter on 256 tokens of" in card

    expect = {"keep": text["digest"]["sha256"]}
    run(folder, "again", expect=expect, steps=2)
    with (folder / "keep.jsonl").open("a") as file:
        file.write(json.dumps({"input_ids": [1] * 16}) + "\n")
    with pytest.raises(SpecRefusedError, match="the sha256 of keep is"):
        run(folder, "changed", expect=expect)


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"method": "heads"}, "keep_dataset", "method heads removes no channels"),
        ({"dataset": "c4"}, "keep_dataset", "it is the dataset that all of them are scored on"),
        ({"keep_dataset": None, "expect": {"keep": "1f"}}, "expect", "the job has no keep text"),
        ({"keep_text_field": "content"}, "keep_text_field", "is built in"),
        (
            {"keep_dataset": None, "keep_text_field": "content"},
            "keep_text_field",
            "the job names no keep_dataset",
        ),
    ],
)
def test_a_second_text_that_has_no_effect_is_refused(
    fields: dict[str, Any], field: str, reason: str
) -> None:
    given = {"model": "a/b", "dataset": "wikitext2", "keep_dataset": "c4"} | NEURONS
    with pytest.raises(SpecRefusedError, match=reason) as caught:
        check_combination(PruneSpec.model_validate(given | fields))
    assert caught.value.field == field
