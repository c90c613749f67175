"""Another target of the same model: it takes what the first one has measured, and only cuts."""

import json
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.experts.mixtures import write_mixture
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.durable_files import sha256
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint


def run(folder: Path, model: str, method: str, share: float, known: str) -> tuple[Any, ...]:
    """Run a job; return where its scores are from, its perplexities, and its files of weights."""
    checkpoint = Checkpoint.open(folder / model)
    limit = int(share * checkpoint.size_bytes(checkpoint.tensors))
    given = {
        "model": str(folder / model),
        "dataset": str(folder / "rows.jsonl"),
        "samples": 8,
        "dtype": "float32",
        "method": method,
        "target": {"bytes": limit},
    }
    out = Path(mkdtemp(dir=folder))
    resources = Resources(device="cpu", baselines=folder / known)
    run_to_end(prune(PruneSpec.model_validate(given), out, resources))
    report = json.loads((out / "report.json").read_text())
    figures = [report["metrics"][f"{name}_perplexity"] for name in ("dense", "pruned")]
    files = {path.name: sha256(path) for path in out.glob("*.safetensors")}
    return report["computed"]["scores"], figures, files


@pytest.mark.parametrize(
    ("model", "method", "shares"),
    [
        ("llama", "neurons", (0.9, 0.8)),
        ("llama", "heads", (0.98, 0.98)),  # of its two heads of keys, one can go
        ("mixtral", "experts", (0.9, 0.7)),
    ],
)
def test_a_second_target_measures_nothing_and_gives_the_bytes_of_a_first_one(
    tmp_path: Path, model: str, method: str, shares: tuple[float, float]
) -> None:
    write_model(tmp_path / "llama", FAMILIES["llama"])
    write_mixture(tmp_path / "mixtral", "mixtral")
    rows = (json.dumps({"input_ids": ids}) for ids in random_ids(10, 16).tolist())
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))

    measured, *_ = run(tmp_path, model, method, shares[0], "known")
    taken, *second = run(tmp_path, model, method, shares[1], "known")
    anew, *alone = run(tmp_path, model, method, shares[1], "nothing")

    assert (measured, taken, anew) == ("measured", "of an earlier job", "measured")
    assert second == alone
