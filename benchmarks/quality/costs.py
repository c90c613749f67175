"""Measure the time of presets and of their training: `python -m benchmarks.quality.costs`.

Each job is compared with one plain forward pass over the same number of calibration tokens, in
bfloat16, and a preset with training also with the job that it adds the training to. All figures
come from one process. By default, a job has 128 windows of 2,048 tokens, and the
benchmark takes an hour on two cores.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.speed import forward_seconds
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model

PATH = Path(__file__).parents[1] / "results" / "costs.json"
FORWARD = "one forward pass"
ROWS: dict[str, dict[str, Any]] = {
    "fast": {"preset": "fast"},
    "admm": {"method": "admm"},
    "balanced": {"preset": "balanced"},
    "best": {"preset": "best"},
}
ADDED_TO = {"balanced": "admm", "best": "balanced"}
"""For each preset with training, the row without it: refine, or recover and an allocation."""
LIMITS = {"fast": "at most 1.25", "balanced": "at most 8"}


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    arguments = _arguments()
    logging.disable_progress_bar()
    model = fetch_model(Path(".demo/models"))
    windows = torch.randint(1000, (arguments.samples, arguments.seq_len))
    with torch.no_grad():
        seconds = {FORWARD: forward_seconds(model, windows, torch.bfloat16)}
    for name in arguments.only or ROWS:
        seconds[name] = _seconds(model, arguments, ROWS[name])
        print(f"{name}: {seconds[name]:.1f} s", file=sys.stderr, flush=True)
    tokens = arguments.samples * arguments.seq_len
    report = {"machine": machine(), "tokens": tokens, "seconds": seconds}
    PATH.write_text(json.dumps(report, indent=1) + "\n")
    PATH.with_suffix(".md").write_text(markdown(seconds, tokens))
    print(json.dumps(report))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.costs", description=__doc__)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--seq-len", type=int, default=2048)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), help="rows to measure")
    return parser.parse_args()


def _seconds(model: Path, arguments: argparse.Namespace, own: dict[str, Any]) -> float:
    """Run a job, and return the seconds of its sweep and recovery, without its evaluation."""
    shared = {"samples": arguments.samples, "seq_len": arguments.seq_len, "dtype": "bfloat16"}
    fields = job_fields(model, None, None, sparsity=0.5, eval_samples=4, **shared, **own)
    with TemporaryDirectory() as baselines:
        metrics = measure(PruneSpec.model_validate(fields), Path(baselines))
    trained = metrics.get("recovery") or {"seconds": 0.0}
    return float(metrics["prune_seconds"] + trained["seconds"])


def markdown(seconds: dict[str, float], tokens: int) -> str:
    """Return a Markdown table: ratios to one forward pass, and the seconds that training adds."""
    lines = [
        "| | seconds | over one forward pass | must be | seconds more |",
        "|---|---:|---:|---|---|",
    ]
    for name, value in seconds.items():
        base = ADDED_TO.get(name, "")
        more = f"{value - seconds[base]:.0f} than {base}" if base in seconds else ""
        ratio = value / seconds[FORWARD]
        lines.append(f"| {name} | {value:.1f} | {ratio:.2f} | {LIMITS.get(name, '')} | {more} |")
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"{tokens:,} calibration tokens. Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
