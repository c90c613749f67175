"""The results of a job's zero-shot tasks, as metrics and for the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.evaluation.task_results import TaskComparison, mean_stderr


@dataclass(frozen=True)
class MeasuredTasks:
    """The results of a job's tasks.

    Attributes:
        tasks: the results by the task's name.
        groups: the tasks by the name that the job gives.
    """

    tasks: dict[str, TaskComparison]
    groups: dict[str, list[str]]

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return the accuracies by metric and task; suites and groups have their tasks' mean."""
        rows = {name: _accuracies(one) for name, one in self._with_accuracy().items()}
        for group, names in self.groups.items():
            members = [rows[name] for name in names if name in rows]
            if group not in rows and members:
                rows[group] = _mean(members)
        found: dict[str, dict[str, float]] = {}
        for name, row in rows.items():
            for metric, value in row.items():
                found.setdefault(metric, {})[name] = value
        return found

    def report(self) -> list[dict[str, Any]]:
        """Return all metrics of each task, and the items that only one of the models gets right."""
        return [
            {
                "task": name,
                "version": one.dense.version,
                "dense": one.dense.metrics,
                "pruned": one.pruned.metrics,
                "items": len(one.dense.correct),
                "lost": one.lost,
                "gained": one.gained,
            }
            for name, one in self.tasks.items()
        ]

    def _with_accuracy(self) -> dict[str, TaskComparison]:
        return {name: one for name, one in self.tasks.items() if one.dense.correct}


def _accuracies(one: TaskComparison) -> dict[str, float]:
    dense, pruned = one.dense.accuracy, one.pruned.accuracy
    row = {
        "acc": pruned,
        "dense_acc": dense,
        "acc_drop": dense - pruned,
        "mcnemar_p": one.p_value,
    }
    return row if one.pruned.stderr is None else row | {"acc_stderr": one.pruned.stderr}


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = ("acc", "dense_acc", "acc_drop")
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in names}
    errors = [row["acc_stderr"] for row in rows if "acc_stderr" in row]
    return mean | {"acc_stderr": mean_stderr(errors)} if len(errors) == len(rows) else mean
