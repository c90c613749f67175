"""A job reads the weights that it has written, and says which patterns they hold."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PretrainedConfig
from typer.testing import CliRunner

from db.files.sealed_folder import seal
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.jobs.announced import require_announced_in
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from zpruner.cli.folders import app

MODELS: dict[str, PretrainedConfig] = {
    "llama-tied": FAMILIES["llama-tied"],
    "gpt2-conv1d": FAMILIES["gpt2-conv1d"],
    "mixtral": MIXTURES["mixtral"],
    "llama4-stacked": MIXTURES["llama4-bmm"],
}


def pruned(folder: Path, config: PretrainedConfig, **fields: Any) -> dict[str, Any]:
    """Prune a small model into ``folder / "out"``, and return the report."""
    write_model(folder / "dense", config, torch.bfloat16)
    rows = ({"input_ids": ids} for ids in random_ids(6, 16).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "out").mkdir()
    own = {"model": str(folder / "dense"), "dataset": str(folder / "rows.jsonl"), "samples": 4}
    spec = PruneSpec.model_validate(own | {"method": "magnitude"} | fields)
    result = run_to_end(prune(spec, folder / "out", Resources(device="cpu")))
    seal(folder / "out", result.digests)
    report: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return report


def certify(folder: Path, pattern: str) -> tuple[int, dict[str, Any]]:
    words = ["certify", str(folder), "--pattern", pattern, "--json"]
    result = CliRunner().invoke(app, words)
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


@pytest.mark.parametrize("name", MODELS)
def test_a_job_with_a_pattern_holds_it_in_every_matrix_as_it_is_stored(
    name: str, tmp_path: Path
) -> None:
    report = pruned(tmp_path, MODELS[name], pattern="2:4")

    require_announced_in(report)
    patterns, listed = report["metrics"]["patterns"], report["certificate"]
    assert patterns["held"] == ["2:4", "4:8"]
    assert (patterns["requested"], patterns["broken"], listed["broken"]) == ("2:4", 0, [])
    stored = {name for file in (tmp_path / "out").glob("*.safetensors") for name in load_file(file)}
    names = [*listed["matrices"], *listed["transposed"]]
    assert len(names) == len(set(names)) == patterns["matrices"] > 0
    assert set(names) <= stored
    marks = {"gpt2-conv1d": ".h.", "llama4-stacked": ".experts."}
    transposed = [one for one in names if name in marks and marks[name] in one]
    assert sorted(listed["transposed"]) == sorted(transposed)
    code, found = certify(tmp_path / "out", "2:4")
    assert (code, found["matrices"]) == (0, patterns["matrices"])
    assert "The patterns 2:4 and 4:8 hold." in (tmp_path / "out" / "README.md").read_text()


def test_the_outcome_is_in_the_statement_and_no_pattern_is_claimed_without_one(
    tmp_path: Path,
) -> None:
    report = pruned(tmp_path, FAMILIES["llama"], sparsity=0.3)
    patterns = report["metrics"]["patterns"]
    assert (patterns["held"], patterns["requested"], patterns["broken"]) == ([], None, None)
    statement = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert statement["predicate"]["runDetails"]["zpruner_metrics"]["patterns"] == patterns
    assert "N:M" not in (tmp_path / "out" / "README.md").read_text()
    code, found = certify(tmp_path / "out", "2:4")
    assert code == 1
    assert 0 < len(found["patterns"]["2:4"]["broken"]) <= patterns["matrices"]


def test_a_stack_of_experts_of_which_one_was_skipped_does_not_hold_the_pattern(
    tmp_path: Path,
) -> None:
    skip = ["*.experts.0.*"]
    report = pruned(tmp_path, MODELS["llama4-stacked"], pattern="2:4", skip=skip)
    listed = report["certificate"]
    assert report["metrics"]["patterns"]["broken"] == len(listed["broken"]) > 0
    for one in listed["broken"]:
        assert "experts" in one["tensor"]
        assert one["broken"] == one["groups"] / 4
    count = f"in {len(listed['broken'])} matrices"
    assert f"**does not hold** {count}" in (tmp_path / "out" / "README.md").read_text()


def test_a_quantised_model_holds_the_pattern_in_its_packed_integers(tmp_path: Path) -> None:
    report = pruned(tmp_path, FAMILIES["llama"], pattern="2:4", quantize="w4a16")
    patterns = report["metrics"]["patterns"]
    assert (patterns["held"], patterns["broken"]) == (["2:4", "4:8"], 0)
    code, found = certify(tmp_path / "out", "2:4")
    assert (code, found["matrices"]) == (0, patterns["matrices"])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "The patterns 2:4 and 4:8 hold." in card
    assert "to_sparse_semi_structured" not in card


def test_one_weight_more_in_one_group_is_found_in_the_file(tmp_path: Path) -> None:
    report = pruned(tmp_path, FAMILIES["gpt2-conv1d"], pattern="2:4")
    name = report["certificate"]["transposed"][0]
    out = tmp_path / "out"
    (path,) = (one for one in out.glob("*.safetensors") if name in load_file(one))
    tensors = load_file(path)
    group = tensors[name][4:8, 3]  # along the inputs: the rows of a Conv1D
    group[(group == 0).nonzero()[0]] = 1
    save_file(tensors, path, {"format": "pt"})
    code, found = certify(out, "2:4")
    assert code == 1
    (broken,) = found["patterns"]["2:4"]["broken"]
    assert (broken["tensor"], broken["broken"]) == (name, 1)
