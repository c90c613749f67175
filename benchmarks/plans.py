"""Compare the planned and the measured memory and time of jobs: `python -m benchmarks.plans`.

Models are written and pruned in child processes. The recorded peak memory of a child starts at that
of its parent, so this process must stay small.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from benchmarks.jobs import JOBS, MODELS, Job
from benchmarks.machine import machine
from benchmarks.process import ZPRUNER, run
from benchmarks.rows import random_rows

RESULTS = Path(__file__).parent / "results"
MB = 1_000_000
MAX_ERROR = 0.2  # by which a plan may be above the measured peak, relative to that


@dataclass(frozen=True)
class Comparison:
    """Planned and measured memory and time of a job.

    The ``own`` figures are the memory of the sweep alone: they exclude the memory that Python and
    its libraries already hold when the plan is made. The seconds are those of the sweep,
    evaluation included. Each ratio is the planned value divided by the measured value.
    """

    job: str
    phase: str
    planned_bytes: int
    peak_bytes: int
    ratio: float
    own_planned_bytes: int
    own_bytes: int
    own_ratio: float
    planned_seconds: float
    seconds: float
    seconds_ratio: float


def main() -> None:
    """Measure; without `--only`, print JSON, and write JSON and Markdown to `benchmarks/results`.

    Raises:
        SystemExit: a planned peak is below the measured one, or above it by more than 20 %.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plans", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=JOBS, help="measure only these jobs, and write no results"
    )
    only = parser.parse_args().only
    with TemporaryDirectory() as folder:
        os.environ["ZPRUNER_DATA_DIR"] = folder  # so that the speed of the machine is measured anew
        jobs = {name: job for name, job in JOBS.items() if not only or name in only}
        found = [_compare(name, job, Path(folder)) for name, job in jobs.items()]
    if not only:
        _write(found)
    if any(not 1 <= one.ratio <= 1 + MAX_ERROR for one in found):
        raise SystemExit(f"a plan is below the peak, or above it by more than {MAX_ERROR:.0%}")


def _compare(name: str, job: Job, folder: Path) -> Comparison:
    model, out = folder / job.model, folder / "out"
    if not model.exists():
        run([sys.executable, "-m", "benchmarks.jobs", job.model, str(model)])
    vocabulary = MODELS[job.model].vocabulary
    size = {"seq_len": job.seq_len, "vocabulary": vocabulary}
    calibration = random_rows(folder / "calibration.jsonl", job.samples, seed=1, **size)
    evaluation = random_rows(folder / "evaluation.jsonl", job.eval_samples, seed=2, **size)
    command = [ZPRUNER, "prune", str(model), str(out), "--sparsity", "0.5", *job.options]
    command += ["--dataset", str(calibration), "--eval-dataset", str(evaluation)]
    command += ["--seq-len", str(job.seq_len), "--samples", str(job.samples)]
    peak = run(command).peak_bytes
    report = json.loads((out / "report.json").read_text())
    rmtree(out)
    plan, metrics = report["plan"], report["metrics"]
    seconds = metrics["prune_seconds"] + metrics["evaluate_seconds"]
    own = peak - (plan["host_bytes"] - plan["working_bytes"])
    found = Comparison(
        job=name,
        phase=plan["phase"],
        planned_bytes=plan["host_bytes"],
        peak_bytes=peak,
        ratio=plan["host_bytes"] / peak,
        own_planned_bytes=plan["working_bytes"],
        own_bytes=own,
        own_ratio=plan["working_bytes"] / own,
        planned_seconds=plan["seconds"],
        seconds=seconds,
        seconds_ratio=plan["seconds"] / seconds,
    )
    print(_row(found), file=sys.stderr, flush=True)
    return found


def _write(found: Sequence[Comparison]) -> None:
    report = {"machine": machine(), "jobs": [asdict(one) for one in found]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "plans.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "plans.md").write_text(_markdown(found))
    print(json.dumps(report))


def _markdown(found: Sequence[Comparison]) -> str:
    lines = [
        "| job | peak in phase | peak | planned over it | of the sweep alone "
        "| seconds | planned over them |",
        "|---|---|---:|---:|---:|---:|---:|",
        *map(_row, found),
    ]
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"Measured on: {where}.", ""])


def _row(one: Comparison) -> str:
    return (
        f"| {one.job} | {one.phase} | {one.peak_bytes / MB:,.0f} MB | {one.ratio:.2f} "
        f"| {one.own_ratio:.2f} | {one.seconds:.1f} | {one.seconds_ratio:.2f} |"
    )


if __name__ == "__main__":
    main()
