"""Measure what quantising a sparse model costs: `python -m benchmarks.quality.quantization`.

Each row prunes the model to 50 % by ADMM, or not at all, and quantises it, or not. Jobs run in
bfloat16, on windows of 512 tokens.
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

PATH = Path(__file__).parents[1] / "results" / "quantization.json"
SPARSE: dict[str, Any] = {"method": "admm", "sparsity": 0.5}
DENSE: dict[str, Any] = {"method": "none"}
MINMAX = {"scheme": "w4a16", "scales": "minmax"}
ROWS: dict[str, dict[str, Any]] = {
    "50 %": SPARSE,
    "50 %, w8a16": SPARSE | {"quantize": "w8a16"},
    "50 %, w4a16": SPARSE | {"quantize": "w4a16"},
    "50 %, w4a16, minmax": SPARSE | {"quantize": MINMAX},
    "dense, w4a16": DENSE | {"quantize": "w4a16"},
}
MOST = 1.08
"""The highest perplexity of the sparse model in 4 bits, over that of the sparse model."""


def main() -> None:
    """Measure the rows, and write the table as JSON and Markdown.

    Raises:
        SystemExit: 4 bits cost more than `MOST`.
    """
    arguments = _arguments()
    logging.disable_progress_bar()
    rows: dict[str, dict[str, float]] = {}
    with TemporaryDirectory() as baselines:
        for name in arguments.only:
            rows[name] = _measure(arguments, ROWS[name], Path(baselines))
            print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
    report = {"machine": machine(), "windows": arguments.windows, "rows": rows}
    if arguments.only == list(ROWS):
        save(PATH, report, markdown(rows))
    print(json.dumps(report))
    if {"50 %", "50 %, w4a16"} <= rows.keys():
        ratio = rows["50 %, w4a16"]["perplexity"] / rows["50 %"]["perplexity"]
        if ratio > MOST:
            raise SystemExit(f"4 bits raise the perplexity by {ratio - 1:.1%}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.quantization")
    parser.add_argument("--model", type=Path, help="a folder, instead of the demo's model")
    parser.add_argument("--calibration", type=Path, help="a text file")
    parser.add_argument("--evaluation", type=Path, help="a text file")
    parser.add_argument("--windows", type=int, default=64, help="calibration windows")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    arguments = parser.parse_args()
    arguments.model = arguments.model or fetch_model(Path(".demo/models"))
    return arguments


def _measure(
    arguments: argparse.Namespace, own: dict[str, Any], baselines: Path
) -> dict[str, float]:
    shared = {"seq_len": 512, "samples": arguments.windows, "eval_samples": 40}
    texts = (arguments.calibration, arguments.evaluation)
    fields = job_fields(arguments.model, *texts, dtype="bfloat16", **shared)
    metrics = measure(PruneSpec.model_validate(fields | own), baselines)
    quantized = metrics.get("quantization", {})
    return {
        "perplexity": metrics["pruned_perplexity"],
        "dense": metrics["dense_perplexity"],
        "sparsity": metrics["sparsity"],
        "bits_per_weight": quantized.get("bits_per_weight", 16.0),
        "bytes": metrics["weights_bytes"],
        "seconds": metrics["prune_seconds"],
        "predicted_seconds": metrics["predicted_seconds"] or 0.0,
    }


def markdown(rows: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table of the rows."""
    lines = [
        "| | perplexity | dense | zeros | bits per weight | weight files | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['perplexity']:.2f} | {row['dense']:.2f} | {row['sparsity']:.1%} "
            f"| {row['bits_per_weight']:.2f} | {row['bytes'] / 1e6:.0f} MB "
            f"| {row['seconds']:.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
