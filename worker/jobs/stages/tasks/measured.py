"""The results of a job's zero-shot tasks, as metrics and for the report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from db.spec.options.tasks import ESTIMATES
from db.spec.quality_gate import Interval
from worker.evaluation.task_results import TaskComparison, mean_stderr

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class MeasuredTasks:
    """The results of a job's tasks.

    Attributes:
        tasks: the results by the task's name.
        groups: the tasks by the name that the job gives.
    """

    tasks: dict[str, TaskComparison]
    groups: dict[str, list[str]]

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return the accuracies by metric and task; suites and groups have their tasks' mean."""
        rows = {name: _accuracies(comparison) for name, comparison in self._with_accuracy().items()}
        for group, names in self.groups.items():
            members = [rows[name] for name in names if name in rows]
            if group not in rows and members:
                rows[group] = _mean(members)
        metrics: dict[str, dict[str, Any]] = {}
        for name, row in rows.items():
            for metric, value in row.items():
                metrics.setdefault(metric, {})[name] = value
        digests = {name: comparison.dense.items_sha256 for name, comparison in self.tasks.items()}
        return metrics | {"items_sha256": digests}

    def report(self) -> list[dict[str, Any]]:
        """Return all metrics of each task, and the items that only one of the models gets right."""
        return [
            {
                "task": name,
                "version": comparison.dense.version,
                "dense": comparison.dense.metrics,
                "pruned": comparison.pruned.metrics,
                "items": len(comparison.dense.correct),
                "lost": comparison.lost,
                "gained": comparison.gained,
                "acc_drop_interval": _drop_interval(comparison),
            }
            for name, comparison in self.tasks.items()
        ]

    def _with_accuracy(self) -> dict[str, TaskComparison]:
        return {
            name: comparison for name, comparison in self.tasks.items() if comparison.dense.correct
        }


def _accuracies(comparison: TaskComparison) -> dict[str, float]:
    row = {
        "acc": comparison.pruned.accuracy,
        "acc_stderr": comparison.pruned.stderr,
        "dense_acc": comparison.dense.accuracy,
        "acc_drop": comparison.drop,
        "acc_drop_stderr": comparison.drop_stderr,
        "mcnemar_p": comparison.p_value,
        "items": len(comparison.dense.correct),
    }
    return {name: value for name, value in row.items() if value is not None}


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the means of the accuracies, their errors if all are known, and the sum of items."""
    names = ("acc", "dense_acc", "acc_drop")
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in names}
    mean["items"] = sum(row["items"] for row in rows)
    for name in (f"{metric}_stderr" for metric in ESTIMATES):
        errors = [row[name] for row in rows if name in row]
        if len(errors) == len(rows):
            mean[name] = mean_stderr(errors)
    return mean


def _drop_interval(comparison: TaskComparison) -> dict[str, float] | None:
    """Return the interval of the loss in accuracy; None without accuracy or with too few items."""
    if (stderr := comparison.drop_stderr) is None:
        return None
    return asdict(Interval.of(comparison.drop, stderr, _CONFIDENCE))
