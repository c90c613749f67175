"""The benchmark of a job."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.metrics import OPTIONAL_METRICS
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import metric_value
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced_in
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.generators import run_to_end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model", positions=80)
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 200)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate fewer tokens in each measurement, in fewer rounds."""
    monkeypatch.setattr("worker.benchmark.measurement.NEW_TOKENS", 8)
    monkeypatch.setattr("worker.benchmark.rounds.ROUNDS", 6)


def job(folder: Path, **fields: Any) -> Generator[JobProgress, None, JobResult]:
    files = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {"sparsity": 0.5, "samples": 4, "eval_samples": 2, "seq_len": 32, "benchmark": True}
    spec = PruneSpec.model_validate(files | small | fields)
    return prune(spec, folder / "out", Resources(device="cpu"))


@pytest.mark.usefixtures("few_tokens")
def test_the_result_has_every_metric_of_a_benchmark_and_the_report_every_round(
    folder: Path,
) -> None:
    steps: list[JobProgress] = []

    metrics = run_to_end(job(folder), steps.append).metrics

    # A model this small takes no measurable memory.
    assert all(
        metric_value(metrics, name)
        for name in OPTIONAL_METRICS["benchmark"]
        if "memory" not in name
    )
    assert metrics["weights_bytes_ratio"] == pytest.approx(1, abs=0.1)
    report = json.loads((folder / "out" / "report.json").read_text())
    require_announced_in(report)
    assert len(report["benchmark"]["rounds"]) == 6
    assert report["benchmark"]["runtime"] == "transformers"
    summary = metrics["speed"]["summary"]
    assert f"- {summary[1]}" in (folder / "out" / "README.md").read_text()
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert sum(step.phase is Phase.evaluating and step.fraction > 0.97 for step in steps) == 12


@pytest.mark.usefixtures("few_tokens")
def test_a_smaller_model_is_measured_after_it_was_cut(folder: Path) -> None:
    fields = {"method": "depth", "ratio": 0.33, "sparsity": 0.0}
    metrics = run_to_end(job(folder, **fields)).metrics
    assert metrics["weights_bytes_ratio"] < 0.9
    assert metrics["patterns"] == {"matrices": 0, "held": [], "requested": None, "broken": None}
    files = (folder / "out").glob("*.safetensors")
    assert metrics["weights_bytes"] == sum(file.stat().st_size for file in files)


@pytest.mark.usefixtures("few_tokens")
def test_a_job_can_be_stopped_after_each_measurement(folder: Path) -> None:
    steps = job(folder)
    for step in steps:
        if step.phase is Phase.evaluating and step.fraction > 0.97:
            break
    steps.close()
    names = {path.name for path in (folder / "out").iterdir()}
    assert "config.json" in names
    assert "report.json" not in names


def test_a_model_whose_context_is_too_short_is_refused_before_the_sweep(folder: Path) -> None:
    config = json.loads((folder / "model" / "config.json").read_text())
    config["max_position_embeddings"] = 65
    (folder / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpecRefusedError, match="no room for 64 new tokens") as refused:
        run_to_end(job(folder))
    assert (refused.value.field, refused.value.value) == ("benchmark", True)
    assert list((folder / "out").iterdir()) == []


def test_a_model_that_does_not_fit_is_refused_before_the_sweep(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameter = torch.nn.Parameter(torch.empty(1 << 50, device="meta"))
    monkeypatch.setattr(torch.nn.Module, "parameters", lambda *_: [parameter])
    with pytest.raises(InsufficientMemoryError, match="set benchmark to false"):
        run_to_end(job(folder))
    assert list((folder / "out").iterdir()) == []
