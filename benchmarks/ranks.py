"""Time one job in two processes and in one: `python -m benchmarks.ranks`.

Both runs give each process one core, as a job on GPUs would give each process one GPU. One process
with two cores is measured too, because on a CPU it is the alternative to two processes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.llama import RandomLlama
from benchmarks.machine import machine
from benchmarks.process import ZPRUNER
from benchmarks.rows import random_rows

RESULTS = Path(__file__).parent / "results"
SAMPLES, EVAL_SAMPLES, SEQ_LEN = 16, 8, 512
METHODS = {"zpruner": ["--method", "zpruner"], "sparsegpt": ["--method", "sparsegpt"]}


@dataclass(frozen=True)
class Run:
    """One run of `zpruner prune`: the time of its sweep, its total time and its output's digest."""

    method: str
    processes: int
    cores: int
    sweep_seconds: float
    wall_seconds: float
    sha256: str


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranks", description=__doc__)
    parser.add_argument("--blocks", type=int, default=2)
    blocks = parser.parse_args().blocks
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        RandomLlama(blocks).write(folder / "model")
        random_rows(folder / "calibration.jsonl", SAMPLES, seed=1, seq_len=SEQ_LEN)
        random_rows(folder / "evaluation.jsonl", EVAL_SAMPLES, seed=2, seq_len=SEQ_LEN)
        runs = [
            _run(folder, method, processes, cores)
            for method in METHODS
            for processes, cores in ((1, 1), (2, 2), (1, 2))
        ]
    _write(blocks, runs)


def _run(folder: Path, method: str, processes: int, cores: int) -> Run:
    out = folder / f"{method}-{processes}-{cores}"
    command = [ZPRUNER, "prune", str(folder / "model"), str(out), *METHODS[method]]
    command += ["--dataset", str(folder / "calibration.jsonl")]
    command += ["--eval-dataset", str(folder / "evaluation.jsonl")]
    command += ["--sparsity", "0.5", "--seq-len", str(SEQ_LEN), "--dtype", "float32"]
    command += ["--devices", str(processes)]
    environment = os.environ | {"OMP_NUM_THREADS": str(cores)}
    started = time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall = time.monotonic() - started
    metrics = json.loads(done.stdout.splitlines()[-1])
    sweep = metrics["prune_seconds"] + metrics["evaluate_seconds"]
    return Run(method, processes, cores, sweep, wall, _sha256(out))


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for shard in sorted(folder.glob("*.safetensors")):
        digest.update(shard.read_bytes())
    return digest.hexdigest()


def _write(blocks: int, runs: Sequence[Run]) -> None:
    report = {
        "machine": machine(),
        "protocol": {
            "blocks": blocks,
            "samples": SAMPLES,
            "eval_samples": EVAL_SAMPLES,
            "seq_len": SEQ_LEN,
        },
        "runs": [asdict(run) for run in runs],
        "two_over_one": {method: _two_over_one(method, runs) for method in METHODS},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ranks.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "ranks.md").write_text(_markdown(runs))
    print(_markdown(runs), file=sys.stderr)
    print(json.dumps(report))


def _two_over_one(method: str, runs: Sequence[Run]) -> dict[str, float | bool]:
    """Compare two processes on two cores with one process on one core."""
    by_size = {(run.processes, run.cores): run for run in runs if run.method == method}
    one, two = by_size[1, 1], by_size[2, 2]
    return {
        "sweep_ratio": two.sweep_seconds / one.sweep_seconds,
        "wall_ratio": two.wall_seconds / one.wall_seconds,
        "same_bytes": two.sha256 == one.sha256,
    }


def _markdown(runs: Sequence[Run]) -> str:
    lines = [
        "| method | processes | cores | sweep, seconds | command, seconds |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {run.method} | {run.processes} | {run.cores} "
            f"| {run.sweep_seconds:.1f} | {run.wall_seconds:.1f} |"
            for run in runs
        ),
        "",
    ]
    for method in METHODS:
        ratio = _two_over_one(method, runs)
        bytes_ = "the same bytes" if ratio["same_bytes"] else "different bytes"
        lines.append(
            f"{method}: two processes take {ratio['sweep_ratio']:.2f} of one's sweep "
            f"({ratio['wall_ratio']:.2f} of its command) and write {bytes_}.  "
        )
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
