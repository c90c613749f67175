"""Jobs that compare methods: the best result is kept, as a job of that method makes it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.experts.mixtures import write_mixture
from worker.jobs.progress import JobProgress
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.durable_files import sha256
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint

CANDIDATES = ["depth", "heads"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_model(folder / "llama", FAMILIES["llama"])
    write_mixture(folder / "mixtral", "mixtral")
    rows = (json.dumps({"input_ids": ids}) for ids in random_ids(10, 16).tolist())
    (folder / "rows.jsonl").write_text("\n".join(rows))
    return folder


def job(
    folder: Path,
    candidates: Sequence[str] | None,
    share: float = 0.9,
    method: str = "neurons",
    model: str = "llama",
    **fields: Any,
) -> PruneSpec:
    checkpoint = Checkpoint.open(folder / model)
    limit = int(share * checkpoint.size_bytes(checkpoint.tensors))
    named = {} if candidates is None else {"candidates": candidates}
    given = {
        "model": str(folder / model),
        "dataset": str(folder / "rows.jsonl"),
        "samples": 8,
        "dtype": "float32",
        "method": method,
        "target": {"bytes": limit} | named,
    }
    return PruneSpec.model_validate(given | fields)


def run(spec: PruneSpec, out: Path, baselines: Path | None = None) -> dict[str, Any]:
    """Run a job, and return its report."""
    return run_steps(spec, out, baselines)[0]


def run_steps(
    spec: PruneSpec, out: Path, baselines: Path | None = None
) -> tuple[dict[str, Any], list[JobProgress]]:
    """Run a job, and return its report and its steps."""
    out.mkdir(exist_ok=True)
    steps: list[JobProgress] = []
    resources = Resources(device="cpu", baselines=baselines)
    run_to_end(prune(spec, out, resources), steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    return json.loads((out / "report.json").read_text()), steps


def weights(out: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in out.glob("*.safetensors")}


def test_the_method_of_the_lowest_perplexity_is_kept_as_its_own_job_makes_it(
    folder: Path, tmp_path: Path
) -> None:
    report = run(job(folder, CANDIDATES), tmp_path / "compared")

    own = {
        method: run(job(folder, None, method=method), tmp_path / method)
        for method in ("neurons", *CANDIDATES)
    }
    compared = report["metrics"]["target"]["candidates"]
    assert list(compared) == list(own)
    for method, alone in own.items():
        assert compared[method]["perplexity"] == alone["metrics"]["pruned_perplexity"]
        assert compared[method]["size"] == alone["metrics"]["target"]["size"]
        assert compared[method]["ratio"] == alone["target"]["chosen"]["ratio"]
        assert compared[method]["seconds"] > 0
    best = min(own, key=lambda method: compared[method]["perplexity"])
    assert [method for method in own if compared[method]["kept"]] == [best]
    assert weights(tmp_path / "compared") == weights(tmp_path / best)
    assert report["blocks"] == [
        block | {"prune_seconds": new["prune_seconds"]}
        for block, new in zip(own[best]["blocks"], report["blocks"], strict=True)
    ]
    assert report["spec"] == own[best]["spec"]
    assert report["resumed_from_block"] is None
    assert report["computed"]["dense_loss"] == "measured"
    assert (tmp_path / "compared" / "README.md").read_text().count("the best of several") == 1
    assert [path for path in (tmp_path / "compared").iterdir() if path.name == ".candidates"]


def test_an_interrupted_comparison_ends_with_the_same_bytes_and_repeats_no_method(
    folder: Path, tmp_path: Path
) -> None:
    spec = job(folder, ["experts"], 0.7, model="mixtral")
    whole, steps = run_steps(spec, tmp_path / "whole")
    measuring: list[int] = []
    for stop in (len(steps) // 3, len(steps) - 4):
        out = tmp_path / str(stop)
        out.mkdir()
        interrupted = prune(spec, out, Resources(device="cpu"))
        for _ in range(stop):
            next(interrupted)
        interrupted.close()
        report, left = run_steps(spec, out)
        measuring.append(sum(step.phase is Phase.calibrating for step in left))
        assert weights(out) == weights(tmp_path / "whole")
        compared = report["metrics"]["target"]["candidates"]
        for method, own in whole["metrics"]["target"]["candidates"].items():
            assert compared[method] | {"seconds": own["seconds"]} == own
    assert measuring == sorted(measuring, reverse=True)
    assert measuring[-1] == 1  # no method is measured again


def test_the_best_method_alone_is_recovered(folder: Path, tmp_path: Path) -> None:
    recover = {"kind": "masked", "tokens": 64, "lr": 1e-3}
    spec = job(folder, ["depth"], recover=recover, eval_dataset="wikitext2")
    spec = spec.model_copy(update={"eval_dataset": str(_other_rows(tmp_path))})
    report = run(spec, tmp_path / "out")
    compared = report["metrics"]["target"]["candidates"]
    best = min(compared.values(), key=lambda own: own["perplexity"])
    assert report["metrics"]["perplexity_before_recovery"] == best["perplexity"]
    assert report["metrics"]["recovery"]["tokens"] == 64


def _other_rows(folder: Path) -> Path:
    rows = (json.dumps({"input_ids": ids}) for ids in random_ids(4, 16, seed=5).tolist())
    (folder / "other.jsonl").write_text("\n".join(rows))
    return folder / "other.jsonl"


@pytest.mark.parametrize(
    ("candidates", "share", "reason"),
    [
        (["experts"], 0.9, "with method experts, "),
        (["heads"], 0.75, "method heads leaves at least"),
    ],
)
def test_a_candidate_that_cannot_meet_the_target_is_refused_before_any_weight_is_read(
    folder: Path, tmp_path: Path, candidates: list[str], share: float, reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        run(job(folder, candidates, share), tmp_path / "out")
    assert refused.value.field in {"target.candidates", "target.bytes"}
    assert not list((tmp_path / "out").iterdir())
