"""Measure the time of presets and of their training: `python -m benchmarks.quality.costs`.

Each job is compared with one plain forward pass over the same number of calibration tokens, in
bfloat16, and a preset with training also with the job that it adds the training to. `best` is
measured without its `mix`, with it where the text is stored, and with the writing of the text. All
figures come from one process. By default, a job has 128 windows of 2,048 tokens, and the benchmark
takes more than an hour on two cores.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields
from benchmarks.quality.table_file import save
from benchmarks.speed import forward_seconds
from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model
from worker.jobs.progress import JobProgress
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import mapped, run_to_end

PATH = Path(__file__).parents[1] / "results" / "costs.json"
FORWARD = "one forward pass"
ROWS: dict[str, dict[str, Any]] = {
    "fast": {"preset": "fast"},
    "admm": {"method": "admm"},
    "balanced": {"preset": "balanced"},
    "best without mix": {"preset": "best", "mix": []},
    "best": {"preset": "best"},
}
WRITING = "best, first job"
"""The row of a job whose text is not stored yet."""
ADDED_TO = {
    "balanced": "admm",
    "best without mix": "balanced",
    "best": "best without mix",
    WRITING: "best without mix",
}
"""For each row with more work, the row without it."""
LIMITS = {"fast": 1.25, "balanced": 8.0}
"""The most that a row may take, over one forward pass."""
ADDED_LIMITS = {"best": 1.25, WRITING: 1.6}
"""The most that a row may take, over the row without its own work."""


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown."""
    arguments = _arguments()
    logging.disable_progress_bar()
    model = fetch_model(Path(".demo/models"))
    windows = torch.randint(1000, (arguments.samples, arguments.seq_len))
    with torch.no_grad():
        seconds = {FORWARD: forward_seconds(model, windows, torch.bfloat16)}
    for name in arguments.only or ROWS:
        seconds[name], writing = _seconds(model, arguments, ROWS[name])
        if writing:
            seconds[WRITING] = seconds[name] + writing
        print(f"{name}: {seconds[name]:.1f} s", file=sys.stderr, flush=True)
    tokens = arguments.samples * arguments.seq_len
    report = {"machine": machine(), "tokens": tokens, "seconds": seconds}
    save(arguments.out, report, markdown(seconds, tokens))
    print(json.dumps(report))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.costs", description=__doc__)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--seq-len", type=int, default=2048)
    parser.add_argument("--tokens", type=int, help="of the recovery, instead of its default")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), help="rows to measure")
    parser.add_argument("--out", type=Path, default=PATH, help="the table's JSON file")
    return parser.parse_args()


def _seconds(
    model: Path, arguments: argparse.Namespace, own: dict[str, Any]
) -> tuple[float, float]:
    """Run a job; return the seconds of its sweep and recovery, and those of writing its text."""
    shared = {"samples": arguments.samples, "seq_len": arguments.seq_len, "dtype": "bfloat16"}
    fields = job_fields(model, None, None, sparsity=0.5, eval_samples=4, **shared, **own)
    if arguments.tokens and own.get("preset") == "best":
        fields["recover"] = {"kind": "masked", "tokens": arguments.tokens}
    began, writing = perf_counter(), 0.0

    def watched(progress: JobProgress) -> list[JobProgress]:
        nonlocal writing
        if progress.phase is Phase.writing:
            writing = perf_counter() - began
        return [progress]

    with TemporaryDirectory() as out:
        steps = prune(PruneSpec.model_validate(fields), Path(out), Resources())
        metrics = run_to_end(mapped(steps, watched)).metrics
    trained = metrics.get("recovery") or {"seconds": 0.0}
    return float(metrics["prune_seconds"] + trained["seconds"]), writing


def markdown(seconds: dict[str, float], tokens: int) -> str:
    """Return a Markdown table: ratios to one forward pass, and to the row with less work."""
    lines = [
        "| | seconds | over one forward pass | at most | over the row before | at most |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for name, value in seconds.items():
        base = ADDED_TO.get(name, "")
        added = f"{value / seconds[base]:.2f} of {base}" if base in seconds else ""
        limits = [str(most.get(name, "")) for most in (LIMITS, ADDED_LIMITS)]
        ratio = f"{value / seconds[FORWARD]:.2f}"
        cells = (name, f"{value:.1f}", ratio, limits[0], added, limits[1])
        lines.append(f"| {' | '.join(cells)} |")
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"{tokens:,} calibration tokens. Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
