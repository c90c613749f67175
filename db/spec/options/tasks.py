"""Zero-shot tasks: suites of them, own ones in datasets, and the metrics that they give a job."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, StrictInt
from pydantic_core import PydanticCustomError

from db.spec.datasets.files import DataFile
from db.spec.datasets.upload_store import UPLOADED
from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.inputs.input_name import LOCAL
from db.spec.inputs.references import LocalPath, parse_dataset

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
            "is not the name of a task",
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


def _check(spec: "TaskFields") -> None:
    is_idle = spec.task_limit is not None and not spec.tasks
    reason = "the job is measured on no task"
    remedy = "Name tasks, or leave task_limit out."
    check_fits("task_limit", spec.task_limit, (is_idle, reason, remedy))


class TaskFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        questions=("tasks",),
        named_metrics=lambda spec: task_metrics(spec.tasks or ()),
        estimates=ESTIMATES,
        untimed={"tasks": "zero-shot tasks"},
        usual=("tasks",),
        only_with={"task_limit": {"tasks": ()}},
        remedies={
            "task_name": "Name a task of the LM Evaluation Harness, a suite such as wanda7, "
            "uploaded:dat_... or local:questions.jsonl."
        },
        place=Place.evaluation,
        labels={"tasks": "Zero-shot tasks", "task_limit": "Items of each task"},
        docs={"tasks": "[Zero-shot tasks](#zero-shot-tasks)."},
    )

    tasks: Tasks | None = Field(
        default=None,
        description="Zero-shot tasks that the dense and the pruned model are measured on: names of "
        "the LM Evaluation Harness, the suites `wanda7` and `zpruner5`, or `uploaded:` or `local:` "
        "and a JSONL file of questions.",
        examples=[["wanda7"], ["boolq", "arc_easy"]],
    )
    task_limit: StrictInt | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Items of each task, from the first one; all by default.",
    )
