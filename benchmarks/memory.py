"""Peak memory of pruning a model, and of one twice as deep: `python -m benchmarks.memory`.

Everything large happens in child processes: the kernel starts a child's peak at its parent's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.llama import VOCABULARY
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"
SAMPLES, EVAL_SAMPLES, SEQ_LEN = 16, 8, 512
MB = 1_000_000


@dataclass(frozen=True)
class Peak:
    """What pruning one model took; bytes above are above an idle Python with torch imported."""

    blocks: int
    checkpoint_bytes: int
    peak_bytes: int
    above_idle_bytes: int
    seconds: float


def main() -> None:
    """Measure, print JSON, and write both forms below `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--blocks", type=int, nargs="+", default=[24, 48])
    arguments = parser.parse_args()
    idle = _peak_of([sys.executable, "-c", "import torch"])[0]
    with tempfile.TemporaryDirectory() as folder:
        peaks = [_measure(blocks, Path(folder), idle) for blocks in arguments.blocks]
    _write(idle, peaks)


def _measure(blocks: int, folder: Path, idle_bytes: int) -> Peak:
    model = folder / f"llama-{blocks}"
    _peak_of([sys.executable, "-m", "benchmarks.llama", str(blocks), str(model)])
    size = (model / "model.safetensors").stat().st_size
    calibration = random_rows(folder / "calibration.jsonl", SAMPLES, seed=1)
    evaluation = random_rows(folder / "evaluation.jsonl", EVAL_SAMPLES, seed=2)
    out = folder / f"pruned-{blocks}"
    zpruner = str(Path(sys.executable).with_name("zpruner"))
    command = [zpruner, "prune", str(model), str(out)]
    command += ["--dataset", str(calibration), "--eval-dataset", str(evaluation)]
    command += ["--sparsity", "0.5", "--seq-len", str(SEQ_LEN), "--dtype", "float32"]
    peak, seconds = _peak_of(command)
    return Peak(blocks, size, peak, peak - idle_bytes, seconds)


def random_rows(path: Path, count: int, *, seed: int) -> Path:
    """Write random token rows, which are used as they stand."""
    ids = np.random.default_rng(seed).integers(0, VOCABULARY, (count, SEQ_LEN)).tolist()
    path.write_text("".join(json.dumps({"input_ids": row}) + "\n" for row in ids))
    return path


def _peak_of(command: list[str]) -> tuple[int, float]:
    """Run a fresh process to its end; return its peak resident bytes and its seconds."""
    started = time.monotonic()
    to_stderr = [(os.POSIX_SPAWN_DUP2, 2, 1)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=to_stderr)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * 1024, time.monotonic() - started


def _write(idle_bytes: int, peaks: Sequence[Peak]) -> None:
    report = {
        "machine": machine(),
        "idle_bytes": idle_bytes,
        "protocol": {"samples": SAMPLES, "eval_samples": EVAL_SAMPLES, "seq_len": SEQ_LEN},
        "peaks": [asdict(peak) for peak in peaks],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "memory.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "memory.md").write_text(_markdown(peaks))
    print(_markdown(peaks), file=sys.stderr)
    print(json.dumps(report))


def _markdown(peaks: Sequence[Peak]) -> str:
    lines = [
        "| blocks | checkpoint | peak above an idle Python with torch | seconds |",
        "|---:|---:|---:|---:|",
        *(
            f"| {peak.blocks} | {peak.checkpoint_bytes / MB:,.0f} MB "
            f"| {peak.above_idle_bytes / MB:,.0f} MB | {peak.seconds:.0f} |"
            for peak in peaks
        ),
    ]
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
