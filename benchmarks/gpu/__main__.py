"""Measure sweeps and a recovery on a GPU, in less than ten minutes: `python -m benchmarks.gpu`.

First each method prunes a small model on the GPU and on the CPU, and the results have to agree.
Then models with random weights of the shapes of 1B, of 8B and of a mixture of experts are pruned
and trained. Of the larger ones a few blocks are measured, because all blocks are alike.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from transformers.utils import logging

from benchmarks.gpu.jobs import JOBS, RECOVER, agreement_with_cpu, measurements
from benchmarks.gpu.rows import FORWARD, Row, line, markdown
from benchmarks.gpu.shapes import SHAPES
from benchmarks.machine import machine

RESULTS = Path(__file__).parents[1] / "results"
_SMALLEST_AGREEMENT = 0.995  # of the masks; a sum of products in another order decides near ties


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`.

    Raises:
        SystemExit: there is no GPU, or the GPU prunes other weights than the CPU.
    """
    given = _arguments(words)
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "this benchmark needs a GPU, and torch finds none; to try it on the CPU, use "
            "--device cpu --shapes tiny"
        )
    logging.disable_progress_bar()
    deadline = perf_counter() + 60 * given.minutes
    chosen = given.only or [FORWARD, *JOBS, RECOVER]
    agreement = {job: agreement_with_cpu(job, device) for job in JOBS if job in chosen}
    print(json.dumps(agreement), file=sys.stderr)
    rows, left_out = list[Row](), list[str]()
    for shape in SHAPES[given.shapes]:
        with TemporaryDirectory(prefix="gpu-", dir=given.scratch) as folder:
            for name, measure in measurements(shape, device, Path(folder)):
                if name not in chosen:
                    continue
                if perf_counter() > deadline:
                    left_out.append(f"{shape.name}, {name}")
                    continue
                rows.append(measure())
                print(line(rows[-1], rows), file=sys.stderr, flush=True)
    where = machine() | {"device": _device_name(device)}
    report = {"machine": where, "agreement": agreement, "left_out": left_out}
    report["rows"] = [asdict(row) for row in rows]
    given.out.mkdir(exist_ok=True)
    (given.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
    (given.out / "gpu.md").write_text(markdown(rows, agreement, left_out, where))
    print(json.dumps(report))
    if wrong := [job for job, share in agreement.items() if share < _SMALLEST_AGREEMENT]:
        raise SystemExit(f"{device} prunes other weights than the CPU: {', '.join(wrong)}")


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="such as cuda:1; cpu to try it out")
    parser.add_argument("--shapes", choices=SHAPES, default="large")
    parser.add_argument("--only", nargs="+", choices=[FORWARD, *JOBS, RECOVER])
    parser.add_argument("--minutes", type=float, default=8, help="no job starts after them")
    parser.add_argument("--scratch", type=Path, help="a folder with 10 GB for models")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    return parser.parse_args(words)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


if __name__ == "__main__":
    main()
