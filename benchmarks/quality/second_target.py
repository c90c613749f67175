"""Measure the time of another target of one model: `python -m benchmarks.quality.second_target`.

Each method makes a model smaller twice, to two sizes, with one folder of stored measurements. The
CPU seconds are those of whole jobs: pruning, evaluation and writing. The model is the demo's, and
for experts a mixture with random weights. By default, a job has 128 windows of 512 tokens, and the
benchmark takes ten minutes. Rows of earlier runs, with the same windows, are kept by `--resume`.
"""

import argparse
import json
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from typing import Any

from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.quality.random_mixture import write_mixture
from benchmarks.quality.table_file import opened, save
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model

PATH = Path(__file__).parents[1] / "results" / "second-target.json"
# The fields of each row, and the parameters of its first and second target.
ROWS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "neurons": ({"method": "neurons"}, ("120M", "110M")),
    "heads": ({"method": "heads"}, ("126M", "117M")),
    "depth": ({"method": "depth"}, ("120M", "110M")),
    "experts": ({"method": "experts"}, ("150M", "115M")),
    "neurons, fused": ({"method": "neurons", "propagation": "fused"}, ("120M", "110M")),
}
MEASURES_EACH = "neurons, fused"
"""The row whose jobs measure each block on the blocks before it, which depends on the target."""
LIMIT = 0.2
"""What the second job may take of the first one's CPU seconds, where the dense model decides."""
Row = dict[str, Any]


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    arguments = _arguments()
    logging.disable_progress_bar()
    table = opened(PATH, {"samples": arguments.samples}, arguments.resume)
    rows = table.setdefault("rows", {})
    for name in arguments.only or ROWS:
        rows[name] = {"jobs": _jobs(arguments.samples, name), "machine": machine()}
        print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
        save(PATH, table, markdown(rows, arguments.samples))
    print(json.dumps(table))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.second_target", description=__doc__
    )
    parser.add_argument("--samples", type=int, default=128, help="calibration windows")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), help="rows to measure")
    parser.add_argument("--resume", action="store_true", help="keep rows measured before")
    return parser.parse_args()


def _jobs(samples: int, name: str) -> list[dict[str, float]]:
    """Run both jobs of a row; return their CPU seconds, those of pruning, and parameters."""
    own, sizes = ROWS[name]
    shared = {"samples": samples, "seq_len": 512, "eval_samples": 8, "dtype": "bfloat16"}
    model, found = fetch_model(Path(".demo/models")), []
    with TemporaryDirectory() as folder:
        if own["method"] == "experts":
            model = write_mixture(model, Path(folder) / "mixture")
        for size in sizes:
            target = {"target": {"parameters": size}}
            fields = job_fields(model, None, None, **shared, **own, **target)
            before = getrusage(RUSAGE_SELF).ru_utime
            metrics = measure(PruneSpec.model_validate(fields), Path(folder) / "baselines")
            seconds = getrusage(RUSAGE_SELF).ru_utime - before
            kept = {key: metrics[key] for key in ("prune_seconds", "parameters")}
            found.append({"cpu_seconds": seconds, **kept})
    return found


def markdown(rows: dict[str, Row], samples: int) -> str:
    """Return a Markdown table of both jobs of each row, and their ratios."""
    lines = [
        "| | million parameters | CPU seconds | ratio | must be | seconds of pruning | ratio "
        "| commit |",
        "|---|---:|---:|---:|---|---:|---:|---|",
    ]
    for name in filter(rows.__contains__, ROWS):
        first, second = rows[name]["jobs"]
        sizes = f"{first['parameters'] / 1e6:.1f}, {second['parameters'] / 1e6:.1f}"
        cells = [name, sizes]
        for key in ("cpu_seconds", "prune_seconds"):
            cells += [f"{first[key]:.1f}, {second[key]:.1f}", f"{second[key] / first[key]:.2f}"]
        cells.insert(4, "" if name == MEASURES_EACH else f"at most {LIMIT}")
        lines.append(f"| {' | '.join([*cells, rows[name]['machine']['commit']])} |")
    where = ", ".join(f"{key} {value}" for key, value in machine().items() if key != "commit")
    what = f"{samples} calibration and 8 evaluation windows of 512 tokens; each row in one process."
    return "\n".join([*lines, "", f"{what} Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
