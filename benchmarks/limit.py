"""Prune a 4 GB checkpoint in a process limited to 1.5 GB of memory: `python -m benchmarks.limit`.

The kernel enforces the limit (`RLIMIT_DATA`) from the start of the process: allocations that
would exceed it fail.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.llama import RandomLlama
from benchmarks.machine import machine
from benchmarks.process import ZPRUNER, run
from benchmarks.rows import random_rows

RESULTS = Path(__file__).parent / "results"
MODEL = RandomLlama(19, width=2048, intermediate=5632, heads=16)
LIMIT_BYTES = 1_500_000_000
SAMPLES, EVAL_SAMPLES, SEQ_LEN = 8, 2, 256
MB = 1_000_000


@dataclass(frozen=True)
class Limited:
    """The result of pruning under the limit."""

    checkpoint_bytes: int
    limit_bytes: int
    peak_bytes: int
    planned_bytes: int
    seconds: float
    sparsity: float


def main() -> None:
    """Check that the limit is enforced, prune under it, and write the results."""
    if not _can_allocate(LIMIT_BYTES) or _can_allocate(LIMIT_BYTES, limited=True):
        raise SystemExit("the limit is not enforced on this machine")
    with TemporaryDirectory() as folder:
        found = _prune(Path(folder))
    report = {
        "machine": machine(),
        "protocol": {"samples": SAMPLES, "eval_samples": EVAL_SAMPLES, "seq_len": SEQ_LEN},
        "limited": asdict(found),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "limit.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "limit.md").write_text(_markdown(found))
    print(_markdown(found), file=sys.stderr)
    print(json.dumps(report))


def _limited(command: Sequence[str]) -> list[str]:
    """Return a command that runs `command` under the limit."""
    return ["/bin/sh", "-c", f'ulimit -d {LIMIT_BYTES // 1024}; exec "$@"', "sh", *command]


def _can_allocate(size_bytes: int, *, limited: bool = False) -> bool:
    """Return whether a new process can allocate this much memory, under the limit if `limited`."""
    command = [sys.executable, "-c", f"bytearray({size_bytes})"]
    command = _limited(command) if limited else command
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _prune(folder: Path) -> Limited:
    model, out = folder / "model", folder / "out"
    run(
        [sys.executable, "-m", "benchmarks.limit", str(model)]
    )  # in its own process: this one must stay small
    calibration = random_rows(folder / "calibration.jsonl", SAMPLES, seed=1, seq_len=SEQ_LEN)
    evaluation = random_rows(folder / "evaluation.jsonl", EVAL_SAMPLES, seed=2, seq_len=SEQ_LEN)
    command = [ZPRUNER, "prune", str(model), str(out), "--sparsity", "0.5", "--dtype", "float32"]
    command += ["--dataset", str(calibration), "--eval-dataset", str(evaluation)]
    usage = run(_limited([*command, "--seq-len", str(SEQ_LEN)]))
    report = json.loads((out / "report.json").read_text())
    return Limited(
        checkpoint_bytes=(model / "model.safetensors").stat().st_size,
        limit_bytes=LIMIT_BYTES,
        peak_bytes=usage.peak_bytes,
        planned_bytes=report["plan"]["host_bytes"],
        seconds=usage.seconds,
        sparsity=report["metrics"]["sparsity"],
    )


def _markdown(found: Limited) -> str:
    lines = [
        "| checkpoint | limit | peak | planned | sparsity | seconds |",
        "|---:|---:|---:|---:|---:|---:|",
        f"| {found.checkpoint_bytes / MB:,.0f} MB | {found.limit_bytes / MB:,.0f} MB "
        f"| {found.peak_bytes / MB:,.0f} MB | {found.planned_bytes / MB:,.0f} MB "
        f"| {found.sparsity:.3f} | {found.seconds:.0f} |",
    ]
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"Measured on: {where}.", ""])


if __name__ == "__main__":
    if sys.argv[1:]:
        MODEL.write(Path(sys.argv[1]))
    else:
        main()
