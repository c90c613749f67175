"""Jobs that make a model smaller, from the request to the folder that is published."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from db.spec.prune_spec import PruneSpec
from tests.models import random_ids, write_model
from tests.worker.evaluation.models import CONFIG, write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

EVALUATION = random_ids(3, 32, seed=2)
NEURONS: dict[str, Any] = {"method": "neurons", "ratio": 0.2}
DEPTH: dict[str, Any] = {"method": "depth", "ratio": 0.33}
ADAPT: dict[str, Any] = {"method": "adapt", "ratio": 0.3}
PGP: dict[str, Any] = {"method": "pgp", "ratio": 0.3, "search_steps": 24}
METHODS = [NEURONS, {"method": "heads", "ratio": 0.15}, DEPTH, ADAPT, PGP]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model")
    for name, ids in {"text": random_ids(40, 32, seed=1), "evaluation": EVALUATION}.items():
        rows = "".join(json.dumps({"input_ids": row}) + "\n" for row in ids.tolist())
        (tmp_path / f"{name}.jsonl").write_text(rows)
    return tmp_path


def spec_of(folder: Path, **fields: Any) -> PruneSpec:
    names = {"model": "model", "dataset": "text.jsonl", "eval_dataset": "evaluation.jsonl"}
    own = {field: str(folder / name) for field, name in names.items()}
    return PruneSpec.model_validate(own | NEURONS | {"samples": 8, "dtype": "float32"} | fields)


def run(folder: Path, out: str = "out", **fields: Any) -> dict[str, Any]:
    (folder / out).mkdir(exist_ok=True)
    work = prune(spec_of(folder, **fields), folder / out, Resources(device="cpu"))
    return run_to_end(work).metrics


def perplexity(folder: Path) -> float:
    """Return the perplexity of a folder's model, as transformers loads it."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return math.exp(float(model(EVALUATION, labels=EVALUATION).loss))


def parameters(folder: Path) -> int:
    model = AutoModelForCausalLM.from_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


@pytest.mark.parametrize("fields", METHODS)
def test_a_job_writes_a_smaller_folder_whose_perplexity_is_the_measured_one(
    folder: Path, fields: dict[str, Any]
) -> None:
    metrics, out = run(folder, **fields), folder / "out"
    require_announced(spec_of(folder, **fields), metrics)
    assert metrics["pruned_perplexity"] == pytest.approx(perplexity(out), rel=1e-4)
    assert metrics["dense_perplexity"] == pytest.approx(perplexity(folder / "model"), rel=1e-4)
    assert metrics["parameters"] == parameters(out)
    assert metrics["parameters_removed"] == parameters(folder / "model") - parameters(out) > 0
    assert metrics["dense_weights_bytes"] == 4 * parameters(folder / "model")
    assert (metrics["sparsity"], metrics["zeros"]) == (0.0, 0)
    assert ("pgp" in metrics) == (fields is PGP)
    if fields is PGP:
        assert 0 <= metrics["pgp"]["changed"] <= 1
    written = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert {"config.json", "tokenizer.json", "README.md", "provenance.json"} <= written


def test_the_report_and_the_card_say_what_was_removed(folder: Path) -> None:
    run(folder)
    run(folder, "shorter", method="depth", ratio=0.33)
    narrower, shorter = (
        json.loads((folder / out / "report.json").read_text())["blocks"]
        for out in ("out", "shorter")
    )
    removed = [units for block in narrower for units in block["removed"]]
    assert [(one["name"], one["units"], one["count"]) for one in removed] == [
        ("mlp.down_proj", 48, 16)
    ] * 3
    assert all(sum(end - start for start, end in one["ranges"]) == 16 for one in removed)
    assert sum(block["is_dropped"] for block in shorter) == 1
    assert all(0 < block["distance"] < 2 for block in shorter)
    card = (folder / "out" / "README.md").read_text()
    assert "# model, with 11.5 % fewer parameters" in card
    assert "the channels of MLPs that contribute least to their outputs" in card
    assert "correction 0, damping 0.1" in card
    assert "% zeros" not in card
    run(folder, "prompts", selection="ptl")
    card = (folder / "prompts" / "README.md").read_text()
    assert "the channels of MLPs that are least active on the last tokens of prompts" in card


def test_the_report_and_the_card_say_which_programs_read_fewer_heads(folder: Path) -> None:
    config = CONFIG.to_dict() | {"model_type": "qwen2", "architectures": None}
    write_model(folder / "model", Qwen2Config(**config))
    run(folder, method="heads", ratio=0.15, eval_samples=1)
    report = json.loads((folder / "out" / "report.json").read_text())
    warning = "a config of type 'qwen2' has no field of its own"
    assert warning in report["warnings"][0]
    assert warning in (folder / "out" / "README.md").read_text()


def test_a_job_that_keeps_the_shapes_says_that_its_result_is_no_smaller(folder: Path) -> None:
    metrics, out = run(folder, **ADAPT, uniform=False), folder / "out"
    assert metrics["parameters_removed"] == 0
    assert metrics["parameters"] == parameters(out) == parameters(folder / "model")
    layers = AutoModelForCausalLM.from_pretrained(out).model.layers
    assert metrics["zeros"] == sum(int((one == 0).sum()) for one in layers.parameters())
    assert metrics["sparsity"] > 0.25
    assert metrics["patterns"]["matrices"] > 0
    assert metrics["pruned_perplexity"] == pytest.approx(perplexity(out), rel=1e-4)
    report = json.loads((out / "report.json").read_text())
    assert "neither smaller nor faster than the dense model" in report["warnings"][0]
    assert sum(units["count"] for block in report["blocks"] for units in block["removed"]) > 0
    card = (out / "README.md").read_text()
    assert "different numbers from each block, so that they are zeros in place" in card
    assert "neither smaller nor faster than the dense model" in card
    assert "[Adapt-Pruner](https://arxiv.org/abs/2502.03460)" in card


@pytest.mark.parametrize("fields", [NEURONS, DEPTH, ADAPT])
def test_a_smaller_model_can_be_refined_and_recovered(folder: Path, fields: dict[str, Any]) -> None:
    recover = {"kind": "masked", "tokens": 1024, "lr": 1e-3, "kl": 0.67}
    metrics, out = run(folder, refine={"steps": 4}, recover=recover, **fields), folder / "out"
    assert metrics["pruned_perplexity"] == pytest.approx(perplexity(out), rel=1e-4)
    assert metrics["parameters"] == parameters(out)
    assert not metrics["recovery"]["kept_start"]


def test_texts_are_generated_with_what_is_left(folder: Path) -> None:
    run(folder, method="depth", ratio=0.66, generate=True, prompts=["The quick"])
    (texts,) = json.loads((folder / "out" / "report.json").read_text())["generation"]
    assert texts["dense"]["greedy"] != texts["pruned"]["greedy"]
