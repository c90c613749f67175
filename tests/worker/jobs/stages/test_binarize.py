"""A job that binarises writes a plain folder, and counts the bits of its weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from db.spec.metrics import OPTIONAL_METRICS
from db.spec.prune_spec import PruneSpec
from tests.models import random_ids
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced_in
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model", positions=256)
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 200)
    return tmp_path


def run(folder: Path, binarize: object) -> dict[str, Any]:
    """Return the report of a job that binarises."""
    files = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {"samples": 4, "eval_samples": 2, "seq_len": 32, "dtype": "float32"}
    spec = PruneSpec.model_validate(files | small | {"binarize": binarize})
    (folder / "out").mkdir()
    run_to_end(prune(spec, folder / "out", Resources(device="cpu")), lambda _: None)
    report: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return report


def test_transformers_loads_the_folder_and_the_report_and_the_card_count_its_bits(
    folder: Path,
) -> None:
    report = run(folder, {"kept": 4, "group_size": 16, "salient": 0.125})

    loaded = AutoModelForCausalLM.from_pretrained(folder / "out")
    with torch.no_grad():
        assert loaded(random_ids(2, 24)).logits.isfinite().all()
    metrics = report["metrics"]["binarization"]
    assert {f"binarization.{name}" for name in metrics} == set(OPTIONAL_METRICS["binarize"])
    require_announced_in(report)
    assert metrics["kept"] == 4
    parts = [value for name, value in metrics.items() if name.endswith("_bits_per_weight")]
    assert metrics["bits_per_weight"] == pytest.approx(sum(parts))
    assert metrics["sign_bits_per_weight"] == 0.5
    assert metrics["mask_bits_per_weight"] <= 0.7662  # log2(70) / 8 if all blocks keep four
    assert metrics["scale_bits_per_weight"] == 5 * 32 / 16
    assert report["metrics"]["sparsity"] == 0.5
    assert report["binarization"]["kept_of_blocks"] == [
        block["layers"][0]["binarized"]["kept_of_eight"] for block in report["blocks"]
    ]
    card = (folder / "out" / "README.md").read_text()
    assert "mask and weights by `binarize`, [PBS²P]" in card
    assert f"{metrics['bits_per_weight']:.2f} bits per weight" in card
    assert "as large as the dense ones" in card
