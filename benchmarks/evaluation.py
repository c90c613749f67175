"""Compare the evaluation of two checkouts: `python -m benchmarks.evaluation OLD --model FOLDER`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from benchmarks.machine import machine
from db.spec.prune_spec import PruneSpec
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from worker.pruning.base.stopwatch import Stopwatch
from worker.pruning.sweep import pipeline

HERE = Path(__file__).resolve()
RESULTS = HERE.parent / "results"


def main() -> None:
    """Run a job of each checkout in turn; write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("old", type=Path, help="the other checkout")
    parser.add_argument("--model", type=Path, required=True, help="the demo's model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=32, help="evaluation windows of 512 tokens")
    given = parser.parse_args()
    rounds = []
    for number in range(given.rounds):
        pair = [_measured(root, given) for root in (given.old.resolve(), HERE.parents[1])]
        print(f"round {number + 1}: {pair}", file=sys.stderr, flush=True)
        rounds.append(dict(zip(("old", "new"), pair, strict=True)))
    report = {
        "machine": machine(),
        "protocol": {"rounds": given.rounds, "windows": given.windows},
        "rounds": rounds,
    }
    (RESULTS / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "evaluation.md").write_text(_markdown(rounds, given.windows, machine()))
    print(json.dumps(report))


def _measured(root: Path, given: argparse.Namespace) -> dict[str, float]:
    """Run the job in a fresh process with the code of ``root``; return its figures."""
    command = [sys.executable, "-P", str(HERE), "--job", str(given.model), str(given.windows)]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=root, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run_job(model: str, windows: int) -> None:
    """Run the demo's job with one calibration window; print the evaluation's time and figures."""
    cpu = defaultdict[str, float](float)

    class CpuToo(Stopwatch):
        @contextmanager
        def __call__(self, name: str) -> Iterator[None]:
            start = process_time()
            with super().__call__(name):
                yield
            cpu[name] += process_time() - start

    setattr(pipeline, "Stopwatch", CpuToo)  # noqa: B010 - mypy forbids to assign a class
    fields = {"model": model, "sparsity": 0.5, "dataset": "stdlib-docs", "samples": 1}
    fields |= {"seq_len": 512, "eval_samples": windows}
    with tempfile.TemporaryDirectory() as out:
        spec = PruneSpec.model_validate(fields)
        metrics = run_to_end(prune(spec, Path(out), Resources(device="cpu"))).metrics
    names = ("dense_perplexity", "pruned_perplexity", "worst_kl", "worst_agreement")
    figures = {"cpu_seconds": cpu["evaluate"], "seconds": metrics["evaluate_seconds"]}
    print(json.dumps(figures | {name: metrics[name] for name in names}))


def _markdown(rounds: list[dict[str, dict[str, float]]], windows: int, where: Any) -> str:
    rows = [
        f"Seconds of the evaluation of the demo's job: {windows} windows of 512 tokens, one thread,"
        " before and after, in turns.\n",
        "| round | CPU, before | CPU, after | ratio | wall, before | wall, after | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    ratios: dict[str, list[float]] = {"cpu_seconds": [], "seconds": []}
    for number, pair in enumerate(rounds, 1):
        cells = [str(number)]
        for name, found in ratios.items():
            old, new = pair["old"][name], pair["new"][name]
            found.append(new / old)
            cells += [f"{old:.1f}", f"{new:.1f}", f"{new / old:.2f}"]
        rows.append(f"| {' | '.join(cells)} |")
    cpu, wall = (median(found) for found in ratios.values())
    rows.append(f"| median | | | {cpu:.2f} | | | {wall:.2f} |")
    on = ", ".join(f"{name} {value}" for name, value in where.items())
    return "\n".join(rows) + f"\n\nMeasured on: {on}.\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        run_job(sys.argv[2], int(sys.argv[3]))
    else:
        main()
