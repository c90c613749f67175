"""Zero-shot tasks: suites of them, and the metrics that they give a job."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

SUITES = MappingProxyType(
    {
        "wanda7": (
            *("boolq", "rte", "hellaswag", "winogrande"),
            *("arc_easy", "arc_challenge", "openbookqa"),
        ),
        "zpruner5": ("boolq", "rte", "hellaswag", "arc_challenge", "mnli"),
    }
)
"""The tasks that the authors of Wanda and of Z-Pruner measure, by the suite's name."""

TaskName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][\w.-]*$")]
Tasks = Annotated[tuple[TaskName, ...], Field(max_length=32, fail_fast=True)]

TASK_METRICS = (
    *("acc", "acc_stderr", "dense_acc", "acc_drop"),
    "mcnemar_p",
)
"""The metrics of each task; `acc_drop` is the dense model's accuracy minus the pruned's."""


def tasks_of(name: str) -> tuple[str, ...]:
    """Return the tasks of a suite; any other name is that of one task."""
    return SUITES.get(name, (name,))


def task_metrics(names: Iterable[str]) -> list[str]:
    """Return the names of the metrics of these tasks and suites, as gates use them."""
    each = {known: None for name in names for known in (name, *tasks_of(name))}
    return [f"{metric}.{name}" for name in each for metric in TASK_METRICS]
