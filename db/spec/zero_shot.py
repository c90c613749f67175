"""Zero-shot tasks: suites of them, own ones in datasets, and the metrics that they give a job."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from db.spec.datasets.files import DataFile
from db.spec.datasets.upload_store import UPLOADED
from db.spec.references import LOCAL, LocalPath, parse_dataset

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

_NAME = r"^(?:[A-Za-z0-9_][\w.-]*|(?:uploaded|local):[A-Za-z0-9_./-]+)$"


def _check_name(value: object) -> object:
    """Refuse a malformed name with the kinds of names there are, which the pattern does not say."""
    if isinstance(value, str) and re.match(_NAME, value) is None:
        raise PydanticCustomError(
            "task_name",
            "{name} is no task: name a task of the LM Evaluation Harness, a suite such as wanda7, "
            "uploaded:dat_... or local:questions.jsonl",
            {"name": value[:64]},
        )
    return value


TaskName = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=_NAME),
    BeforeValidator(_check_name),
]
Tasks = Annotated[tuple[TaskName, ...], Field(max_length=32, fail_fast=True)]

TASK_METRICS = (
    *("acc", "acc_stderr", "dense_acc", "acc_drop", "acc_drop_stderr"),
    *("mcnemar_p", "items"),
)
"""The metrics of each task; `acc_drop` is the dense model's accuracy minus the pruned's.

A suite has those that can be averaged, so it has no `mcnemar_p`.
"""
ESTIMATES = ("acc", "acc_drop")
"""The metrics that have a standard error, under the metric's name and `_stderr`."""


def tasks_of(name: str) -> tuple[str, ...]:
    """Return the tasks of a suite; any other name is that of one task."""
    return SUITES.get(name, (name,))


def task_file(name: str, roots: Sequence[Path] | None, uploads: Path | None) -> DataFile | None:
    """Return the file of a task that names a dataset of questions; None for any other task.

    Args:
        name: the name in the specification.
        roots: the folders in which local files are allowed; if None, any file is allowed.
        uploads: the folder of uploaded datasets.

    Raises:
        SpecRefusedError: the name is that of no file below an allowed root, and of no dataset in
            the folder ``uploads``.
    """
    return question_file(name, "tasks", roots, uploads)


def question_file(
    name: str, field: str, roots: Sequence[Path] | None, uploads: Path | None
) -> DataFile | None:
    """Return the file of a dataset of questions that a field names, as `task_file` does."""
    if not name.startswith((UPLOADED, LOCAL)):
        return None
    reference = parse_dataset(name, roots, field, uploads)
    return DataFile(reference.path, field, name) if isinstance(reference, LocalPath) else None


def task_metrics(names: Iterable[str]) -> list[str]:
    """Return the names of the metrics of these tasks and suites, as gates use them."""
    each = {known: None for name in names for known in (name, *tasks_of(name))}
    return [
        f"{metric}.{name}"
        for name in each
        for metric in TASK_METRICS
        if metric != "mcnemar_p" or name not in SUITES
    ]
