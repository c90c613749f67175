"""The dense model's loss: measured by the first job, known to the next."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.known_values import read_value, write_value

WINDOWS = 24  # more than the outputs are compared on


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    for name, seed in (("calibration", 1), ("evaluation", 2)):
        rows = ({"input_ids": ids} for ids in random_ids(WINDOWS, 16, seed=seed).tolist())
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    return tmp_path


def run(folder: Path, out: str, devices: int = 1, **fields: Any) -> dict[str, Any]:
    """Return the report of a job."""
    spec = PruneSpec.model_validate(
        {
            "model": f"local:{folder / 'dense'}",
            "sparsity": 0.5,
            "dataset": f"local:{folder / 'calibration.jsonl'}",
            "eval_dataset": f"local:{folder / 'evaluation.jsonl'}",
            "dtype": "float32",
        }
        | fields
    )
    (folder / out).mkdir()
    resources = Resources(devices=devices, baselines=folder / "baselines")
    for _ in prune(spec, folder / out, resources):
        pass
    report: dict[str, Any] = json.loads((folder / out / "report.json").read_text())
    return report


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "baselines").iterdir())


def said(report: dict[str, Any]) -> tuple[object, ...]:
    """Return what must not depend on where the dense loss came from."""
    figures = (report["metrics"][name] for name in ("dense_perplexity", "pruned_perplexity"))
    return *figures, [block["output_error"] for block in report["blocks"]]


def test_the_second_job_reuses_the_first_jobs_dense_loss(folder: Path) -> None:
    first, second = run(folder, "first"), run(folder, "second")

    assert first["computed"]["dense_loss"] == "measured"
    assert second["computed"]["dense_loss"] == "of an earlier job"
    assert said(second) == said(first)
    assert len(kept(folder)) == 1


def test_the_cached_loss_is_used_and_not_measured_again(folder: Path) -> None:
    run(folder, "first")
    write_value(kept(folder)[0], [0.0] * WINDOWS)

    assert run(folder, "second")["metrics"]["dense_perplexity"] == 1.0


@pytest.mark.parametrize(
    "fields",
    [{"dtype": "bfloat16"}, {"eval_samples": 20}, {"eval_dataset": None}],
    ids=["dtype", "windows", "text"],
)
def test_other_conditions_are_measured_again(folder: Path, fields: dict[str, Any]) -> None:
    run(folder, "first")

    assert run(folder, "second", **fields)["computed"]["dense_loss"] == "measured"
    assert len(kept(folder)) == 2


def test_a_changed_checkpoint_is_measured_again(folder: Path) -> None:
    run(folder, "first")
    path = sorted((folder / "dense").glob("*.safetensors"))[-1]
    weights = load_file(path)
    save_file({name: weight * 1.01 for name, weight in weights.items()}, path, {"format": "pt"})

    assert run(folder, "second")["computed"]["dense_loss"] == "measured"


@pytest.mark.usefixtures("forked_ranks")
def test_several_processes_reuse_the_cached_loss(folder: Path) -> None:
    first = run(folder, "first")
    second = run(folder, "second", devices=2)

    assert second["computed"]["dense_loss"] == "of an earlier job"
    assert second["metrics"]["dense_perplexity"] == first["metrics"]["dense_perplexity"]


def test_a_half_written_file_is_never_found(folder: Path) -> None:
    run(folder, "first")

    assert [path.suffix for path in kept(folder)] == [".json"]
    losses = read_value(kept(folder)[0])
    assert len(losses) == WINDOWS
    assert torch.isfinite(torch.tensor(losses)).all()


def test_a_damaged_file_is_measured_again(folder: Path) -> None:
    run(folder, "first")
    whole = kept(folder)[0].read_text()
    kept(folder)[0].write_text(whole[:-9])

    assert run(folder, "second")["computed"]["dense_loss"] == "measured"
    assert kept(folder)[0].read_text() == whole
