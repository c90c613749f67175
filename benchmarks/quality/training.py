"""Measure perplexity with and without training: `python -m benchmarks.quality.training`.

The perplexity is measured on two texts. Each row is either a preset, or a combination of method,
allocation, `refine` and `recover`. Each row also has a number of calibration windows. A window has
512 tokens. Jobs run in bfloat16, the default where the hardware supports it. The whole table takes
a day on two cores: `--only` and `--patterns` choose cells, and `--resume` keeps the cells that were
measured before.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.combinations import PATTERNS
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.quality.table_file import save
from benchmarks.quality.training_rows import TRAINING_ROWS, TrainingRow
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model

PATH = Path(__file__).parents[1] / "results" / "training.json"
CAPTION = (
    "Perplexity on the evaluation text (dense: {dense:.2f}), on the other one in brackets; "
    "windows of 512 tokens, bfloat16."
)
COLUMNS = ("50 %", "60 %", "70 %", "2:4")


def main() -> None:
    """Measure the cells, and write the table as JSON and Markdown."""
    arguments = _arguments()
    logging.disable_progress_bar()
    known = json.loads(PATH.read_text()) if arguments.resume and PATH.exists() else {"cells": {}}
    with TemporaryDirectory() as baselines:
        for row, pattern in _cells(arguments, known["cells"]):
            cell = _measure(arguments, row, pattern, Path(baselines))
            known["cells"].setdefault(_label(row), {})[pattern] = cell
            known["machine"] = machine()
            caption = CAPTION.format(dense=cell["dense"])
            save(PATH, known, f"{markdown(known['cells'])}\n{caption}\n")
            print(f"{_label(row)} at {pattern}: {cell}", file=sys.stderr, flush=True)
    print(json.dumps(known))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.training")
    parser.add_argument("--model", type=Path, help="a folder, instead of the demo's model")
    parser.add_argument("--calibration", type=Path, required=True, help="a text file")
    parser.add_argument("--evaluation", type=Path, required=True, help="a text file")
    parser.add_argument("--other", type=Path, required=True, help="an unrelated text file")
    parser.add_argument("--only", nargs="+", help="rows to measure, such as 'admm, 16 windows'")
    parser.add_argument("--patterns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--resume", action="store_true", help="keep cells measured before")
    arguments = parser.parse_args()
    arguments.model = arguments.model or fetch_model(Path(".demo/models"))
    return arguments


def _label(row: TrainingRow) -> str:
    return f"{row.name}, {row.windows} windows"


def _cells(
    arguments: argparse.Namespace, known: dict[str, Any]
) -> Iterator[tuple[TrainingRow, str]]:
    """Yield the chosen cells that have not been measured yet."""
    for row in TRAINING_ROWS:
        for pattern in arguments.patterns:
            is_chosen = not arguments.only or _label(row) in arguments.only
            if is_chosen and pattern not in known.get(_label(row), {}):
                yield row, pattern


def _measure(
    arguments: argparse.Namespace, row: TrainingRow, pattern: str, baselines: Path
) -> dict[str, float]:
    """Prune the model and measure its perplexity on both texts; return these and other figures.

    The row's allocation is left out for a pattern such as 2:4, to which it does not apply.
    """
    own = row.fields | PATTERNS[pattern]
    if "pattern" in PATTERNS[pattern]:
        own.pop("allocation", None)
    shared = {"seq_len": 512, "samples": row.windows, "dtype": "bfloat16"}
    fields = job_fields(arguments.model, arguments.calibration, arguments.evaluation, **shared)
    with TemporaryDirectory() as folder:
        out = Path(folder)
        started = perf_counter()
        metrics = measure(
            PruneSpec.model_validate(fields | {"eval_samples": 40} | own), baselines, out
        )
        seconds = perf_counter() - started
        other = job_fields(out, arguments.calibration, arguments.other, **shared)
        again = {"method": "none", "eval_samples": 16}
        elsewhere = measure(PruneSpec.model_validate(other | again), baselines)
    return {
        "perplexity": metrics["pruned_perplexity"],
        "dense": metrics["dense_perplexity"],
        "other": elsewhere["pruned_perplexity"],
        "sparsity": metrics["sparsity"],
        "seconds": seconds,
    }


def markdown(cells: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return a Markdown table of perplexities.

    Each cell has the perplexity on the evaluation text and, in brackets, on the ``--other`` text.
    """
    lines = [f"| | {' | '.join(COLUMNS)} |", f"|---|{'---:|' * len(COLUMNS)}"]
    for label, row in cells.items():
        written = (
            f"{row[one]['perplexity']:.2f} ({row[one]['other']:.1f})" if one in row else ""
            for one in COLUMNS
        )
        lines.append(f"| {label} | {' | '.join(written)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
