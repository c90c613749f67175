"""A job with zero-shot tasks measures both models, and nothing twice."""

import json
import logging
import sys
from dataclasses import replace
from math import hypot
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import metric_value
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced
from tests.zero_shot import ITEMS, write_tasks
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

TEXT = "The quick brown fox number {} jumps over the lazy dog.\n"


@pytest.fixture
def resources(tmp_path: Path) -> Resources:
    """A folder with a model, a text, and tasks; nothing is measured yet."""
    write_model_and_tokenizer(tmp_path / "model")
    (tmp_path / "text.txt").write_text("".join(TEXT.format(n) for n in range(200)))
    return Resources(
        device="cpu",
        baselines=tmp_path / "baselines",
        task_roots=(write_tasks(tmp_path / "tasks"),),
    )


def spec(tmp_path: Path, *tasks: str, **fields: Any) -> PruneSpec:
    own = {"model": f"local:{tmp_path / 'model'}", "dataset": f"local:{tmp_path / 'text.txt'}"}
    small = {"sparsity": 0.5, "samples": 4, "eval_samples": 2, "seq_len": 32}
    return PruneSpec.model_validate(own | small | {"tasks": tasks} | fields)


def run(spec: PruneSpec, out: Path, resources: Resources) -> tuple[JobResult, list[JobProgress]]:
    out.mkdir(exist_ok=True)
    steps: list[JobProgress] = []
    return run_to_end(prune(spec, out, resources), steps.append), steps


def test_accuracies_of_both_models_are_in_the_metrics_and_the_report(
    tmp_path: Path, resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="worker.jobs.stages.tasks.zero_shot"):
        result, steps = run(
            spec(tmp_path, "sums", "parity", "stories"), tmp_path / "out", resources
        )

    metrics = result.metrics
    for name in ("sums", "parity"):
        dense, pruned = metrics["dense_acc"][name], metrics["acc"][name]
        assert metrics["acc_drop"][name] == dense - pruned
        assert 0 < metrics["acc_stderr"][name] < 0.2
        assert 0 < metrics["mcnemar_p"][name] <= 1
    assert "stories" not in metrics["acc"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    stories = next(one for one in report["tasks"] if one["task"] == "stories")
    assert stories["pruned"]["byte_perplexity"] != stories["dense"]["byte_perplexity"] > 1
    sums = next(one for one in report["tasks"] if one["task"] == "sums")
    lost = (sums["lost"] - sums["gained"]) / ITEMS
    assert (sums["items"], metrics["acc_drop"]["sums"]) == (ITEMS, pytest.approx(lost))
    half = 1.96 * metrics["acc_drop_stderr"]["sums"]
    interval = sums["acc_drop_interval"]
    assert (interval["low"], interval["high"]) == pytest.approx(
        (lost - half, lost + half), abs=1e-4
    )
    assert stories["acc_drop_interval"] is None
    assert metrics["items"] == {"sums": ITEMS, "parity": ITEMS}
    assert set(metrics["items_sha256"]) == {"sums", "parity", "stories"}
    assert [one.fraction for one in steps] == sorted(one.fraction for one in steps)
    assert "task sums: dense acc" in caplog.text


def test_a_suite_has_the_mean_of_its_tasks(
    tmp_path: Path, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.spec.options.tasks.SUITES", {"both": ("sums", "parity")})
    asked = spec(tmp_path, "both", task_limit=10)
    result, _ = run(asked, tmp_path / "out", resources)
    require_announced(asked, result.metrics)
    accuracy = result.metrics["acc"]
    assert accuracy["both"] == pytest.approx((accuracy["sums"] + accuracy["parity"]) / 2)
    for metric in ("acc_stderr", "acc_drop_stderr"):
        errors = result.metrics[metric]
        assert errors["both"] == pytest.approx(hypot(errors["sums"], errors["parity"]) / 2)
    assert result.metrics["items"] == {"sums": 10, "parity": 10, "both": 20}


def test_a_dataset_of_questions_is_a_task_under_its_name(
    tmp_path: Path, resources: Resources
) -> None:
    rows = [{"question": f"{n} + 1 =", "choices": [f"{n}", f"{n + 1}"]} for n in range(9)]
    lines = [json.dumps(row | {"answer": "B"}) + "\n" for row in rows]
    (tmp_path / "own.jsonl").write_text("".join(lines))
    name = f"local:{tmp_path}/own.jsonl"

    result, _ = run(spec(tmp_path, name, task_limit=8), tmp_path / "out", resources)

    assert list(result.metrics["acc"]) == [name]
    assert metric_value(result.metrics, f"acc.{name}") == result.metrics["acc"][name]
    [task] = json.loads((tmp_path / "out" / "report.json").read_text())["tasks"]
    assert (task["task"], task["items"]) == (name, 8)
    assert set(task["pruned"]) == {"acc", "acc_norm"}


def test_a_dataset_that_changed_since_its_upload_is_no_task(
    tmp_path: Path, resources: Resources
) -> None:
    uploads, name = tmp_path / "uploads", f"uploaded:dat_{'0' * 32}"
    uploads.mkdir()
    (uploads / f"dat_{'0' * 32}.jsonl").write_text("{}")
    resources = replace(resources, uploads=uploads, digests={name: "f" * 64})
    with pytest.raises(SpecRefusedError, match="changed since it was uploaded") as refused:
        run(spec(tmp_path, name), tmp_path / "out", resources)
    assert (refused.value.field, refused.value.value) == ("tasks", name)


def test_an_interrupted_job_continues_after_its_last_finished_task(
    tmp_path: Path, resources: Resources
) -> None:
    whole, all_steps = run(spec(tmp_path, "sums", "parity"), tmp_path / "whole", resources)
    for file in (tmp_path / "baselines").iterdir():
        file.unlink()
    (tmp_path / "out").mkdir()
    steps = prune(spec(tmp_path, "sums", "parity"), tmp_path / "out", resources)
    measured = 0
    # The losses, both models on the first task, and one block more.
    while measured < 1 + (3 + 3) + 1:
        measured += next(steps).phase is Phase.evaluating
    steps.close()

    result, again = run(spec(tmp_path, "sums", "parity"), tmp_path / "out", resources)

    assert result.metrics["acc"] == whole.metrics["acc"]
    assert result.metrics["dense_acc"] == whole.metrics["dense_acc"]
    assert evaluations(all_steps) == 1 + 2 * (3 + 3)
    assert evaluations(again) == 1 + 3 + 3


def test_the_dense_model_is_measured_once_for_all_jobs(
    tmp_path: Path, resources: Resources
) -> None:
    first, _ = run(spec(tmp_path, "sums"), tmp_path / "first", resources)
    second, steps = run(spec(tmp_path, "sums", sparsity=0.7), tmp_path / "second", resources)
    assert second.metrics["dense_acc"] == first.metrics["dense_acc"]
    assert evaluations(steps) == 1 + 3  # only the pruned model


def evaluations(steps: list[JobProgress]) -> int:
    return sum(one.phase is Phase.evaluating for one in steps)


def test_a_task_that_cannot_be_run_is_refused_before_the_sweep(
    tmp_path: Path, resources: Resources
) -> None:
    with pytest.raises(SpecRefusedError, match="generates text") as refused:
        run(spec(tmp_path, "sums", "essay"), tmp_path / "out", resources)
    assert (refused.value.field, refused.value.value) == ("tasks", "essay")
    assert list((tmp_path / "out").iterdir()) == []


def test_without_the_harness_the_extra_is_named(
    tmp_path: Path, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "worker.evaluation.harness", raising=False)
    monkeypatch.setitem(sys.modules, "lm_eval.api.instance", None)
    with pytest.raises(SpecRefusedError, match=r"zpruner\[eval\]"):
        run(spec(tmp_path, "sums"), tmp_path / "out", resources)


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path, resources: Resources) -> None:
    rows = [json.dumps({"input_ids": [5 + n % 200 for n in range(32)]}) + "\n"] * 9
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    for file in (tmp_path / "model").glob("tokenizer*"):
        file.unlink()
    wanted = spec(tmp_path, "sums", dataset=f"local:{tmp_path / 'rows.jsonl'}", seq_len=None)
    with pytest.raises(SpecRefusedError, match="no tokenizer"):
        run(wanted, tmp_path / "out", resources)
