"""Measure the peak memory of pruning models of two depths: `python -m benchmarks.memory`.

Models are written and pruned in child processes. The recorded peak memory of a child starts at that
of its parent, so this process must stay small.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.process import ZPRUNER, run
from benchmarks.rows import random_rows

RESULTS = Path(__file__).parent / "results"
SAMPLES, EVAL_SAMPLES, SEQ_LEN = 16, 8, 512
MB = 1_000_000


@dataclass(frozen=True)
class Peak:
    """Peak memory of pruning one model: in total, and above an idle Python with torch imported."""

    blocks: int
    refined: bool
    checkpoint_bytes: int
    peak_bytes: int
    above_idle_bytes: int
    seconds: float


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--blocks", type=int, nargs="+", default=[12, 24])
    arguments = parser.parse_args()
    idle = run([sys.executable, "-c", "import torch"]).peak_bytes
    with tempfile.TemporaryDirectory() as folder:
        peaks = [
            _measure(blocks, Path(folder), idle, refined=refined)
            for blocks in arguments.blocks
            for refined in (False, True)
        ]
    _write(idle, peaks)


def _measure(blocks: int, folder: Path, idle_bytes: int, *, refined: bool) -> Peak:
    model, out = folder / f"llama-{blocks}", folder / f"pruned-{blocks}-{refined}"
    if not model.exists():
        run([sys.executable, "-m", "benchmarks.llama", str(blocks), str(model)])
    size = (model / "model.safetensors").stat().st_size
    calibration = random_rows(folder / "calibration.jsonl", SAMPLES, seed=1, seq_len=SEQ_LEN)
    evaluation = random_rows(folder / "evaluation.jsonl", EVAL_SAMPLES, seed=2, seq_len=SEQ_LEN)
    command = [ZPRUNER, "prune", str(model), str(out)]
    command += ["--dataset", str(calibration), "--eval-dataset", str(evaluation)]
    command += ["--sparsity", "0.5", "--seq-len", str(SEQ_LEN), "--dtype", "float32"]
    command += ["--refine", "--refine-steps", "8"] if refined else []
    usage = run(command)
    return Peak(
        blocks, refined, size, usage.peak_bytes, usage.peak_bytes - idle_bytes, usage.seconds
    )


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
        "| blocks | refined | checkpoint | peak above an idle Python with torch | seconds |",
        "|---:|---|---:|---:|---:|",
        *(
            f"| {peak.blocks} | {'yes' if peak.refined else 'no'} "
            f"| {peak.checkpoint_bytes / MB:,.0f} MB "
            f"| {peak.above_idle_bytes / MB:,.0f} MB | {peak.seconds:.0f} |"
            for peak in peaks
        ),
    ]
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
