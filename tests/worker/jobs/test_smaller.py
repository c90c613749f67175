"""Jobs that make a model smaller, from the request to the published folder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from db.spec.prune_spec import PruneSpec
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.jobs.progress import JobProgress
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from worker.pruning.base.names import WHOLE_FOLDER

TEXT = "The quick brown fox number {} jumps over the lazy dog.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model")
    (tmp_path / "text.txt").write_text("".join(TEXT.format(n) for n in range(200)))
    return tmp_path


def spec_of(folder: Path, **fields: Any) -> PruneSpec:
    own = {"model": str(folder / "model"), "dataset": str(folder / "text.txt")}
    small = {"method": "neurons", "ratio": 0.2, "samples": 8, "eval_samples": 2, "seq_len": 32}
    return PruneSpec.model_validate(own | small | {"dtype": "float32"} | fields)


def run(folder: Path, out: str = "out", **fields: Any) -> dict[str, Any]:
    (folder / out).mkdir(exist_ok=True)
    work = prune(spec_of(folder, **fields), folder / out, Resources(device="cpu"))
    return run_to_end(work).metrics


def loss(folder: Path, ids: torch.Tensor) -> float:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return float(model(ids, labels=ids).loss)


def parameters(folder: Path) -> int:
    model = AutoModelForCausalLM.from_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_job_writes_a_smaller_folder_and_measures_it(folder: Path) -> None:
    metrics = run(folder)
    out = folder / "out"
    assert metrics["parameters"] == parameters(out)
    assert metrics["parameters_removed"] == parameters(folder / "model") - parameters(out) > 0
    assert (metrics["sparsity"], metrics["zeros"]) == (0.0, 0)
    report = json.loads((out / "report.json").read_text())
    removed = [units for block in report["blocks"] for units in block["removed"]]
    assert {units["name"] for units in removed} == {"mlp.down_proj"}
    card = (out / "README.md").read_text()
    assert "fewer parameters" in card
    assert "zeros" not in card.splitlines()[6]
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert {"config.json", "tokenizer.json", "README.md", "provenance.json"} <= names


def test_a_job_interrupted_at_any_place_ends_with_the_same_bytes(folder: Path) -> None:
    run(folder)
    expected = weights(folder / "out")
    for stop in ("pruning", "packaging"):
        out = folder / stop
        out.mkdir()
        steps = prune(spec_of(folder), out, Resources(device="cpu"))
        interrupt(steps, stop)
        assert (out / WHOLE_FOLDER).is_dir()
        run(folder, stop)
        assert weights(out) == expected


def interrupt(steps: Any, phase: str) -> None:
    """Close a job at its second progress in a phase."""
    seen = 0
    for step in steps:
        assert isinstance(step, JobProgress)
        seen += step.phase == phase
        if seen == 2:
            steps.close()
            return
    raise AssertionError(f"the job has no phase {phase}")


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def test_a_smaller_model_can_be_refined_and_recovered(folder: Path) -> None:
    plain = run(folder)
    recover = {"kind": "masked", "tokens": 2048, "lr": 1e-3}
    metrics = run(folder, "trained", refine={"steps": 8}, recover=recover)
    assert metrics["parameters"] == plain["parameters"] == parameters(folder / "trained")
    assert metrics["recovery"]["held_out_loss_after"] <= metrics["recovery"]["held_out_loss_before"]
    assert weights(folder / "trained") != weights(folder / "out")


def test_texts_are_generated_by_the_smaller_model(folder: Path) -> None:
    run(folder, generate=True, prompts=["The quick"])
    (texts,) = json.loads((folder / "out" / "report.json").read_text())["generation"]
    assert texts["dense"]["greedy"] != texts["pruned"]["greedy"] or texts["pruned"]["greedy"]
