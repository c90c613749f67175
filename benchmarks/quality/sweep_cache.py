"""Measure the time that a sweep saves by its cache: `python -m benchmarks.quality.sweep_cache`.

The points of a sweep measure the dense model once: its loss, and what an allocation needs. Each
sweep here runs twice, alternating by point: with one cache for all points, and with none.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.quality.table_file import save
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model

PATH = Path(__file__).parents[1] / "results" / "sweep-cache.json"
SPARSITIES = (0.5, 0.6, 0.7)
SHARED = {"samples": 16, "seq_len": 512, "dtype": "bfloat16", "eval_samples": 8}
ROWS: dict[str, dict[str, Any]] = {
    "wanda": {"method": "wanda"},
    "admm, owl": {"method": "admm", "allocation": "owl"},
    "admm, matrix": {"method": "admm", "allocation": "matrix"},
}


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.sweep_cache", description=__doc__
    )
    parser.parse_args()
    logging.disable_progress_bar()
    model = fetch_model(Path(".demo/models"))
    seconds = {}
    for name, own in ROWS.items():
        seconds[name] = _sweep(model, own)
        print(f"{name}: {seconds[name]}", file=sys.stderr, flush=True)
    report = {"machine": machine(), "seconds": seconds}
    save(PATH, report, markdown(seconds))
    print(json.dumps(report))


def _sweep(model: Path, own: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of all points of a sweep, with a shared cache and without."""
    total = {"cached": 0.0, "measured again": 0.0}
    with TemporaryDirectory() as shared:
        for sparsity in SPARSITIES:
            fields = job_fields(model, None, None, sparsity=sparsity, **SHARED, **own)
            spec = PruneSpec.model_validate(fields)
            total["cached"] += _seconds(spec, Path(shared))
            with TemporaryDirectory() as empty:
                total["measured again"] += _seconds(spec, Path(empty))
    return total


def _seconds(spec: PruneSpec, cache: Path) -> float:
    metrics = measure(spec, cache)
    return float(metrics["prune_seconds"] + metrics["evaluate_seconds"])


def markdown(seconds: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table with the time of each sweep, and how much faster the cache is."""
    lines = ["| | measured again | cached | faster |", "|---|---:|---:|---:|"]
    for name, one in seconds.items():
        again, cached = one["measured again"], one["cached"]
        lines.append(f"| {name} | {again:.1f} s | {cached:.1f} s | {again / cached:.2f} times |")
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    points = len(SPARSITIES)
    return "\n".join([*lines, "", f"Sweeps of {points} points. Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
