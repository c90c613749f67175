"""A job that is killed in any phase ends with the bytes of an undisturbed one."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from tests.models import MIXTURES, random_ids, write_model
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.killed_job import run_killed
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

ROTATED = {"sparsity": 0.5, "quantize": "w4a16", "rotate": "auto"}
RECOVER = {"kind": "masked", "tokens": 1024, "lr": 1e-3}
SMALLER = {"method": "neurons", "ratio": 0.2, "recover": RECOVER}
TRIED = {"method": "pgp", "ratio": 0.3, "search_steps": 24}
JOBS: dict[str, tuple[dict[str, Any], Phase, int]] = {
    "units chosen by gradients": ({"method": "adapt", "ratio": 0.3}, Phase.calibrating, 1),
    "units chosen by trials": (TRIED, Phase.calibrating, 20),
    "sweep that removes units": ({"method": "neurons", "ratio": 0.2}, Phase.pruning, 2),
    "cut": ({"method": "depth", "ratio": 0.33}, Phase.packaging, 2),
    "recovery of a smaller model": (SMALLER, Phase.recovering, 12),
    "weights put back after a recovery": (SMALLER, Phase.recovering, 17),
    "rotation": (ROTATED, Phase.loading, 5),
    "sweep of a rotated model": (ROTATED, Phase.pruning, 2),
    "recovery of rounded weights": (ROTATED | {"recover": RECOVER}, Phase.recovering, 3),
    "binarisation": ({"binarize": True}, Phase.pruning, 2),
    "removal of experts": (
        {"model": "mixture", "method": "experts", "ratio": 0.5},
        Phase.pruning,
        2,
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    write_model_and_tokenizer(folder / "model")
    write_model(folder / "mixture", MIXTURES["qwen3-moe"])
    rows = (json.dumps({"input_ids": row}) + "\n" for row in random_ids(80, 32, seed=1).tolist())
    (folder / "text.jsonl").write_text("".join(rows))
    return folder


def weights(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.safetensors")}


def measured(out: Path) -> list[Any]:
    """Return what was measured of the weights as they were written, by a killed process or not."""
    report = json.loads((out / "report.json").read_text())
    metrics = report["metrics"]
    return [report["certificate"], metrics["weights_bytes"], metrics["patterns"]]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_killed_in_a_phase_ends_with_the_same_bytes(
    folder: Path, tmp_path: Path, name: str
) -> None:
    fields, phase, count = JOBS[name]
    model = {"model": str(folder / fields.get("model", "model"))}
    small = {"samples": 8, "eval_samples": 4, "dtype": "float32"}
    text = {"dataset": str(folder / "text.jsonl")}
    spec = PruneSpec.model_validate(small | text | fields | model)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for out in (whole, killed):
        out.mkdir()
    run_to_end(prune(spec, whole, Resources(device="cpu")))
    run_killed(spec, killed, phase, count=count)

    run_to_end(prune(spec, killed, Resources(device="cpu")))

    assert weights(killed) == weights(whole)
    assert measured(killed) == measured(whole)
