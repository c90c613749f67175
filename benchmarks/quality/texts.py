"""Measure recoveries on texts that none was trained on: `python -m benchmarks.quality.texts`.

Each row prunes one model in one way on one mix of texts, and recovers it on the same mix with one
loss, unless it says that it does not. Its figures are perplexities over the dense model's on each
unseen text, the worst one first. What the dense model writes for a mix is stored in `--cache`, so
that only the first such row pays for it.
"""

import argparse
import math
import re
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.combinations import PATTERNS
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.quality.table_file import opened, save
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model
from worker.pruning.base.file_digests import file_digest

PATH = Path(__file__).parents[1] / "results" / "texts.json"
BUILT_IN = ("stdlib-code", "stdlib-docs")
PRUNED: dict[str, dict[str, Any]] = {
    name: {"method": "admm"} | PATTERNS[name] for name in ("50 %", "2:4", "70 %")
} | {
    "balanced at 50 %": {"preset": "balanced", "sparsity": 0.5},
    "best at 50 %": {"preset": "best", "sparsity": 0.5},
    "neurons 25 %": {"method": "neurons", "ratio": 0.25},
}
GENERAL = "general"
"""Stands for the file of ``--general`` in a mix."""
MIXES: dict[str, dict[str, float]] = {
    "calibration text": {},
    "generated": {"generated": 0.95},
    "half generated": {"generated": 0.5},
    "half general": {GENERAL: 0.5},
    "thirds": {"generated": 0.33, GENERAL: 0.33},
}
LOSSES: dict[str, dict[str, float] | None] = {
    "KL": {"kl": 1.0, "temperature": 1.0},
    "0.67 KL": {"kl": 0.67, "temperature": 2.0},
    "not recovered": None,
}
ROWS = {", ".join(names): names for names in product(PRUNED, MIXES, LOSSES)}


def main(given: list[str] | None = None) -> None:
    """Measure the rows, and write the table as JSON and Markdown after each."""
    arguments = _arguments(given)
    logging.disable_progress_bar()
    protocol = {
        name: getattr(arguments, name)
        for name in ("tokens", "windows", "seq_len", "eval_windows", "dtype", "kind", "lr")
    } | {
        "texts": [*arguments.texts],
        "model": arguments.model.name,
        "sha256": _digests(arguments),
    }
    table = opened(arguments.out, protocol, arguments.resume)
    rows = table.setdefault("rows", {})
    with TemporaryDirectory() as folder:
        for name in arguments.only:
            if name in rows or (GENERAL in MIXES[ROWS[name][1]] and not arguments.general):
                continue
            rows[name] = _measure(arguments, name, arguments.cache or Path(folder))
            table["machine"] = machine()
            save(arguments.out, table, markdown(rows))
            print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.texts")
    parser.add_argument("--model", type=Path, help="a folder, instead of the demo's model")
    parser.add_argument("--calibration", type=Path, required=True, help="a text file")
    parser.add_argument("--general", type=Path, help="a text file of many kinds, for mixes")
    parser.add_argument(
        "--texts", nargs="+", type=_named, default=[], help="NAME=FILE, each of which is unseen"
    )
    parser.add_argument("--tokens", type=int, default=262_144, help="of the recovery")
    parser.add_argument("--windows", type=int, default=128, help="calibration windows")
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--eval-windows", type=int, default=32, help="of each text")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--kind", default="masked", help="of the recovery")
    parser.add_argument("--lr", type=float, help="of the recovery, instead of its default")
    parser.add_argument("--tasks", nargs="+", help="zero-shot tasks")
    parser.add_argument(
        "--task-roots", type=Path, nargs="+", default=(), help="folders with tasks of one's own"
    )
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--cache", type=Path, help="a folder for what the dense model writes")
    parser.add_argument(
        "--jobs", type=Path, help="a folder for the results, in which an interrupted row resumes"
    )
    parser.add_argument("--out", type=Path, default=PATH, help="the table's JSON file")
    parser.add_argument("--resume", action="store_true", help="keep rows measured before")
    arguments = parser.parse_args(given)
    arguments.model = arguments.model or fetch_model(Path(".demo/models"))
    arguments.texts = dict(arguments.texts) | dict.fromkeys(BUILT_IN)
    return arguments


def _digests(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the SHA-256 of each file of text, by its name in the table."""
    files = arguments.texts | {"calibration": arguments.calibration, GENERAL: arguments.general}
    return {name: file_digest(path) for name, path in files.items() if path}


def _named(word: str) -> tuple[str, Path]:
    name, _, path = word.partition("=")
    return name, Path(path)


def _measure(arguments: argparse.Namespace, row: str, baselines: Path) -> dict[str, Any]:
    """Run the job of a row and return its figures."""
    names = {
        label: f"local:{path.resolve()}" if path else label
        for label, path in arguments.texts.items()
    }
    evaluation, *others = names.values()
    shared = {"samples": arguments.windows, "seq_len": arguments.seq_len, "dtype": arguments.dtype}
    texts = {"eval_dataset": evaluation, "eval_texts": others, "tasks": arguments.tasks}
    texts |= {"eval_samples": arguments.eval_windows}
    fields = job_fields(arguments.model, arguments.calibration, None, **shared)
    own = row_fields(row, arguments.general)
    if own["recover"] is not None:
        own["recover"] |= {name: getattr(arguments, name) for name in ("kind", "tokens", "lr")}
    spec = PruneSpec.model_validate(fields | texts | own)
    folder = arguments.jobs and arguments.jobs / re.sub(r"\W+", "-", row)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    metrics = measure(spec, baselines, folder, tuple(arguments.task_roots))
    return {
        "worst_ratio": metrics["worst_ratio"],
        "ratios": {label: metrics["text_ratio"][name] for label, name in names.items()},
        "errors": {label: metrics["text_ratio_stderr"][name] for label, name in names.items()},
        "kl": {label: metrics["kl"][name] for label, name in names.items()},
    } | accuracies(metrics)


def accuracies(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the accuracies of both models by task, and the mean loss with its standard error."""
    drops, errors = metrics.get("acc_drop"), metrics.get("acc_drop_stderr")
    if not drops or not errors:
        return {"tasks": {}, "accuracy_drop": None, "accuracy_drop_stderr": None}
    # The tasks have different items, so their errors are independent.
    return {
        "tasks": {
            task: {"dense": metrics["dense_acc"][task], "pruned": metrics["acc"][task]}
            for task in drops
        },
        "accuracy_drop": fmean(drops.values()),
        "accuracy_drop_stderr": math.hypot(*errors.values()) / len(errors),
    }


def row_fields(row: str, general: Path | None) -> dict[str, Any]:
    """Return the fields of a row's job, beside those that all rows share."""
    pruned, mix, loss = ROWS[row]
    texts: list[Mapping[str, Any]] = [
        {"share": share}
        | ({"dataset": f"local:{general}"} if name == GENERAL else {"generated": True})
        for name, share in MIXES[mix].items()
    ]
    recover = LOSSES[loss]
    return PRUNED[pruned] | {"mix": texts, "recover": recover and dict(recover)}


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a Markdown table, in which the rows of a way to prune follow their worst ratios."""
    texts = list(next(iter(rows.values()))["ratios"])
    lines = [
        f"| | worst | {' | '.join(texts)} | accuracy lost |",
        f"|---|{'---:|' * (len(texts) + 2)}",
    ]
    order = {name: place for place, name in enumerate(PRUNED)}
    for name in sorted(rows, key=lambda row: (order[ROWS[row][0]], rows[row]["worst_ratio"])):
        row = rows[name]
        ratios = (
            f"{row['ratios'][text]:.3f}"
            + (f" ± {1.96 * row['errors'][text]:.3f}" if row["errors"][text] else "")
            for text in texts
        )
        cells = (f"**{row['worst_ratio']:.3f}**", *ratios, _lost(row))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _lost(row: Mapping[str, Any]) -> str:
    if row["accuracy_drop"] is None:
        return ""
    return f"{row['accuracy_drop']:.1%} ± {1.96 * row['accuracy_drop_stderr']:.1%}"


if __name__ == "__main__":
    main()
