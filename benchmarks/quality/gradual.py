"""Compare one step with ten, at equal training: `python -m benchmarks.quality.gradual`.

Each row prunes the model with `refine`, whose optimizer steps are divided among the steps of the
job. Jobs run in bfloat16, on windows of 512 tokens. `--only` chooses rows, and `--resume` keeps
those that were measured before.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.quality.table_file import opened, save
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model

PATH = Path(__file__).parents[1] / "results" / "gradual.json"
STEPS = (1, 10)
JOBS: dict[str, dict[str, Any]] = {
    "wanda, 50 %": {"method": "wanda", "sparsity": 0.5},
    "wanda, 60 %": {"method": "wanda", "sparsity": 0.6},
    "admm, 60 %": {"method": "admm", "sparsity": 0.6},
    "neurons, ratio 0.2": {"method": "neurons", "ratio": 0.2},
}
ROWS: dict[str, dict[str, Any]] = {
    f"{name}, {steps} {'step' if steps == 1 else 'steps'}": fields | {"steps": steps}
    for name, fields in JOBS.items()
    for steps in STEPS
}


def main() -> None:
    """Measure the rows, and write the table as JSON and Markdown after each."""
    arguments = _arguments()
    logging.disable_progress_bar()
    table = _table(arguments)
    rows = table["rows"]
    with TemporaryDirectory() as baselines:
        for name in arguments.only:
            if name not in rows:
                rows[name] = _measure(arguments, ROWS[name], Path(baselines))
                table["machine"] = machine()
                save(PATH, table, markdown(rows))
                print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
    print(json.dumps(table))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.gradual")
    parser.add_argument("--model", type=Path, help="a folder, instead of the demo's model")
    parser.add_argument("--calibration", type=Path, required=True, help="a text file")
    parser.add_argument("--evaluation", type=Path, required=True, help="a text file")
    parser.add_argument("--windows", type=int, default=64, help="calibration windows")
    parser.add_argument(
        "--refine-steps", type=int, default=128, help="optimizer steps for each block in all"
    )
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--resume", action="store_true", help="keep rows measured before")
    arguments = parser.parse_args()
    arguments.model = arguments.model or fetch_model(Path(".demo/models"))
    return arguments


def _table(arguments: argparse.Namespace) -> dict[str, Any]:
    protocol = {
        "model": arguments.model.name,
        "calibration": arguments.calibration.name,
        "evaluation": arguments.evaluation.name,
        "windows": arguments.windows,
        "refine_steps": arguments.refine_steps,
    }
    return {"rows": {}} | opened(PATH, protocol, arguments.resume)


def _measure(
    arguments: argparse.Namespace, own: dict[str, Any], baselines: Path
) -> dict[str, float]:
    shared: dict[str, Any] = {"seq_len": 512, "samples": arguments.windows, "eval_samples": 40}
    shared["refine"] = {"steps": arguments.refine_steps}
    texts = (arguments.calibration, arguments.evaluation)
    fields = job_fields(arguments.model, *texts, dtype="bfloat16", **shared)
    metrics = measure(PruneSpec.model_validate(fields | own), baselines)
    return {
        "perplexity": metrics["pruned_perplexity"],
        "dense": metrics["dense_perplexity"],
        "sparsity": metrics["sparsity"],
        "parameters": metrics["parameters"],
    }


def markdown(rows: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table of the rows."""
    lines = [
        "| | perplexity | dense | zeros | parameters |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['perplexity']:.2f} | {row['dense']:.2f} | {row['sparsity']:.1%} "
            f"| {row['parameters'] / 1e6:.1f} million |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
