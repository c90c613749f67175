"""The figures of a real job are those that a gate may bound."""

import json
from pathlib import Path
from typing import Any

from db.spec.metrics import PERPLEXITIES
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.jobs.announced import require_announced, require_announced_in
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end


def test_every_figure_that_a_gate_may_bound_is_measured_and_no_other(tmp_path: Path) -> None:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 16).tolist())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "out").mkdir()
    fields = {"model": str(tmp_path / "dense"), "dataset": str(tmp_path / "rows.jsonl")}
    spec = PruneSpec.model_validate(
        fields | {"sparsity": 0.5, "samples": 4, "recover": {"kind": "spp", "tokens": 64}}
    )

    result = run_to_end(prune(spec, tmp_path / "out", Resources()), lambda _: None)

    require_announced(spec, result.metrics)
    intervals = result.metrics["intervals"]
    assert set(intervals) == set(PERPLEXITIES)
    assert all(low < result.metrics[name] < high for name, (low, high) in intervals.items())


def test_a_recovery_of_no_use_is_among_the_warnings(tmp_path: Path) -> None:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 16).tolist())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "out").mkdir()
    fields = {"model": str(tmp_path / "dense"), "dataset": str(tmp_path / "rows.jsonl")}
    recover = {"kind": "ast", "tokens": 64, "lr": 1.0}
    spec = PruneSpec.model_validate(fields | {"sparsity": 0.5, "samples": 4, "recover": recover})

    result = run_to_end(prune(spec, tmp_path / "out", Resources()), lambda _: None)

    assert result.metrics["recovery"]["kept_start"]
    assert result.metrics["recovery"]["mask_moved"] == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (warning,) = (one for one in report["warnings"] if "recovery" in one)
    assert warning.startswith("No step of the recovery lowered the held-out loss")
    assert "Set a lower lr in recover" in warning


def test_a_job_with_method_none_measures_a_pruned_model_and_changes_nothing(tmp_path: Path) -> None:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 16).tolist())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = {"dataset": str(tmp_path / "rows.jsonl"), "samples": 4, "dtype": "float32"}

    def run(model: str, out: str, **fields: Any) -> dict[str, Any]:
        (tmp_path / out).mkdir()
        spec = PruneSpec.model_validate({"model": str(tmp_path / model), **text, **fields})
        run_to_end(prune(spec, tmp_path / out, Resources()), lambda _: None)
        report: dict[str, Any] = json.loads((tmp_path / out / "report.json").read_text())
        return report

    pruned = run("dense", "pruned", method="wanda", sparsity=0.5)
    kept = run("pruned", "kept", method="none")

    require_announced_in(kept)
    require_announced_in(pruned)
    assert kept["metrics"]["sparsity"] == 0.5
    assert kept["metrics"]["pruned_perplexity"] == pruned["metrics"]["pruned_perplexity"]
    assert kept["metrics"]["fallbacks"] == 0
    assert kept["calibration"]["tokens"] == 0
    assert kept["evaluation"] == pruned["evaluation"]
    layers = [
        [(one["name"], one["zeros"]) for one in r["blocks"][0]["layers"]] for r in (pruned, kept)
    ]
    assert layers[0] == layers[1]
    for shard in (tmp_path / "pruned").glob("*.safetensors"):
        assert shard.read_bytes() == (tmp_path / "kept" / shard.name).read_bytes()


def test_text_that_is_calibrated_and_evaluated_on_is_measured_and_warned_of(tmp_path: Path) -> None:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    rows = [json.dumps({"input_ids": ids}) + "\n" for ids in random_ids(8, 16).tolist()]
    for count, share in ((8, 0.0), (4, 1.0)):  # of 4 rows, none is left for the evaluation
        (tmp_path / "rows.jsonl").write_text("".join(rows[:count]))
        fields = {"model": str(tmp_path / "dense"), "dataset": str(tmp_path / "rows.jsonl")}
        spec = PruneSpec.model_validate(fields | {"sparsity": 0.5, "samples": 4})
        out = tmp_path / f"{count}"
        out.mkdir()

        result = run_to_end(prune(spec, out, Resources()), lambda _: None)

        assert result.metrics["eval_overlap"] == share
        warnings = json.loads((out / "report.json").read_text())["warnings"]
        assert result.warnings == tuple(warnings)
        assert ["100.0 % of the evaluation text was also" in one for one in warnings] == (
            [True] if share else []
        )
        assert ("**Warning**: 100.0 %" in (out / "README.md").read_text()) == bool(share)
