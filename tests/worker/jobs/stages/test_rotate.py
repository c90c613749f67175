"""Jobs that rotate the model before they quantise it."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from db.spec.metrics import OPTIONAL_METRICS
from db.spec.prune_spec import PruneSpec
from tests.models import random_ids
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced_in
from worker.jobs.problems import problem_of
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.errors import RotationError
from worker.pruning.base.generators import run_to_end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model", positions=256)
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 200)
    return tmp_path


def make_spec(folder: Path, **fields: Any) -> PruneSpec:
    files = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {"sparsity": 0.5, "samples": 4, "eval_samples": 2, "seq_len": 32, "dtype": "float32"}
    rotated = {"quantize": "w4a16", "rotate": "auto"}
    return PruneSpec.model_validate(files | small | rotated | fields)


def test_the_folder_loads_and_the_report_names_the_rotations(folder: Path) -> None:
    (folder / "out").mkdir()
    run_to_end(prune(make_spec(folder), folder / "out", Resources(device="cpu")))

    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["spec"]["rotate"] == "auto"
    values = report["rotation"]["values"]
    assert report["metrics"]["rotation"] == {
        "residual": int(report["rotation"]["residual"]["is_rotated"]),
        "values": sum(one["is_rotated"] for one in values),
        "blocks": len(values),
    }
    assert len(values) == len(report["blocks"])
    assert {f"rotation.{name}" for name in report["metrics"]["rotation"]} == set(
        OPTIONAL_METRICS["rotate"]
    )
    require_announced_in(report)
    ratio = report["metrics"]["pruned_perplexity"] / report["metrics"]["dense_perplexity"]
    assert 0.5 < ratio < 2
    loaded = AutoModelForCausalLM.from_pretrained(folder / "out")
    assert loaded(random_ids(2, 24)).logits.isfinite().all()
    card = (folder / "out/README.md").read_text()
    assert "[RoSTE](https://arxiv.org/abs/2502.09003)" in card
    assert "head are those of the rotated model, and so are these tensors" in card
    assert "unchanged" not in card


def test_a_model_that_cannot_be_rotated_is_a_problem_of_the_field() -> None:
    spec = PruneSpec.model_validate(
        {"model": "m", "dataset": "c4", "sparsity": 0.5, "quantize": "w4a16", "rotate": "auto"}
    )
    problem = problem_of(RotationError("the model cannot be rotated"), spec)
    assert problem.code == "rotation"


def test_a_rotated_and_quantised_model_can_be_trained(folder: Path) -> None:
    spec = make_spec(folder, recover={"kind": "masked", "tokens": 256}, samples=2)
    (folder / "out").mkdir()

    run_to_end(prune(spec, folder / "out", Resources(device="cpu")))

    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["recovery"]["settings"]["rounds"]
    assert report["metrics"]["quantization"]["bits"] == 4
    assert report["metrics"]["sparsity"] >= 0.5
    loaded = AutoModelForCausalLM.from_pretrained(folder / "out")
    assert loaded(random_ids(2, 24)).logits.isfinite().all()
    card = (folder / "out" / "README.md").read_text()
    assert "in each step the weights rounded as above" in card
