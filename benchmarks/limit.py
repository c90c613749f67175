"""A checkpoint of 4 GB pruned in a process that may hold 1.5 GB: `python -m benchmarks.limit`.

The limit is the kernel's (`RLIMIT_DATA`), from the process's first moment on: whatever asks for
more memory of its own than that is refused.
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
    """What pruning under the limit took, of a process that could not take more."""

    checkpoint_bytes: int
    limit_bytes: int
    peak_bytes: int
    planned_bytes: int
    seconds: float
    sparsity: float


def main() -> None:
    """Show that the limit binds, prune under it, and write `benchmarks/results/limit.json`."""
    if not _may_hold(LIMIT_BYTES) or _may_hold(LIMIT_BYTES, limited=True):
        raise SystemExit("the limit does not bind here")
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
    """Return a command that runs under the limit."""
    return ["/bin/sh", "-c", f'ulimit -d {LIMIT_BYTES // 1024}; exec "$@"', "sh", *command]


def _may_hold(size_bytes: int, *, limited: bool = False) -> bool:
    """Whether a process gets this much memory."""
    command = [sys.executable, "-c", f"bytearray({size_bytes})"]
    command = _limited(command) if limited else command
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _prune(folder: Path) -> Limited:
    model, out = folder / "model", folder / "out"
    run([sys.executable, "-m", "benchmarks.limit", str(model)])  # this process must stay small
    calibration = random_rows(folder / "calibration.jsonl", SAMPLES, seed=1, seq_len=SEQ_LEN)
    evaluation = random_rows(folder / "evaluation.jsonl", EVAL_SAMPLES, seed=2, seq_len=SEQ_LEN)
    command = [ZPRUNER, "prune", str(model), str(out), "--sparsity", "0.5", "--dtype", "float32"]
    command += ["--dataset", str(calibration), "--eval-dataset", str(evaluation)]
    ended = run(_limited([*command, "--seq-len", str(SEQ_LEN)]))
    report = json.loads((out / "report.json").read_text())
    return Limited(
        checkpoint_bytes=(model / "model.safetensors").stat().st_size,
        limit_bytes=LIMIT_BYTES,
        peak_bytes=ended.peak_bytes,
        planned_bytes=report["plan"]["host_bytes"],
        seconds=ended.seconds,
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
