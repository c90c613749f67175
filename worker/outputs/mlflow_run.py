"""The contents of an MLflow run: parameters, metrics with their curves, and tables of a job."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.spec.quality_gate import is_number

MAX_PARAM = 6000
"""The longest value of a parameter that MLflow stores."""
UNUSUAL = re.compile(r"[^A-Za-z0-9_\-./ ]")
"""Characters that a metric's name may not have."""


@dataclass(frozen=True)
class Point:
    """One value of a metric, at a step of its curve."""

    name: str
    value: float
    step: int = 0


def parameters(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return the specification's fields that are set, as texts."""
    fields = {name: value for name, value in spec.items() if value not in (None, [], {})}
    fields.pop("output", None)
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in fields.items()
    }
    return {name: text[:MAX_PARAM] for name, text in texts.items()}


def metrics(result: Mapping[str, Any], report: Mapping[str, Any]) -> list[Point]:
    """Return the job's numbers, then the curves by block and by step of the recovery."""
    points = [*_numbers(result), *_block_curves(report), *_recovery_curves(report)]
    return [point for point in points if math.isfinite(point.value)]


def task_table(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the results of the zero-shot tasks in MLflow's form of a table; None without tasks."""
    rows: Sequence[Mapping[str, Any]] = report.get("tasks", ())
    if not rows:
        return None
    columns = ["task", "metric", "dense", "pruned", "items"]
    data = [
        [row["task"], metric, dense, row["pruned"].get(metric), row["items"]]
        for row in rows
        for metric, dense in row["dense"].items()
    ]
    return {"columns": columns, "data": data}


def _numbers(values: Mapping[str, Any], above: str = "") -> Iterator[Point]:
    """Yield all numbers of nested objects; a name has the names above it, with slashes."""
    for name, value in values.items():
        path = UNUSUAL.sub("_", f"{above}{name}")
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}/")
        elif is_number(value):
            yield Point(path, float(value))


def _block_curves(report: Mapping[str, Any]) -> Iterator[Point]:
    for block in report.get("blocks", ()):
        for name in ("output_error", "prune_seconds", "sparsity"):
            if is_number(block.get(name)):
                yield Point(f"block/{name}", float(block[name]), block["index"])


def _recovery_curves(report: Mapping[str, Any]) -> Iterator[Point]:
    for point in report.get("recovery", {}).get("curve", ()):
        for name in ("loss", "held_out_loss"):
            if is_number(point.get(name)):
                yield Point(f"recovery/{name}", float(point[name]), point["step"])
