"""Loading the zero-shot tasks of a job, with their data sets."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from db.core.errors import SpecRefusedError
from db.spec.datasets.questions import read_questions
from db.spec.options.tasks import task_file, tasks_of
from worker.jobs.opened_job import OpenedJob
from worker.jobs.stages.tasks.zero_shot import ZeroShotTasks
from worker.jobs.windows import position_limit
from worker.sources.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from worker.evaluation.harness import HarnessTask, TaskCatalogue

UNUSABLE = "unusable_task"


class TasksStage(ZeroShotTasks):
    """The tasks of a job, which are loaded with their data sets."""

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        """Load the tasks of a job and their data sets.

        Raises:
            SpecRefusedError: a task does not exist, cannot be loaded or cannot be scored; the
                harness is not installed; or the model has no tokenizer.
        """
        if not (names := job.spec.tasks):
            return None
        if (tokenizer := load_tokenizer(job.model.path, job.model.name)) is None:
            raise _unusable(names[0], "the model has no tokenizer", "Leave tasks out.")
        harness, limit = _harness(names[0]), position_limit(job.meta_model)
        loader = _Loader(job, harness, harness.TaskCatalogue(job.resources.task_roots))
        loaded = cls(job, {}, {}, {name: [] for name in names}, tokenizer)
        for group, each in ((name, each) for name in names for each in tasks_of(name)):
            try:
                for task in loader.load(each):
                    loaded.groups[group].append(task.name)
                    loaded.tasks[task.name] = task
                    loaded.asked[task.name] = task.continuations(tokenizer, limit)
            except harness.TaskError as error:
                remedy = "Name a task of the LM Evaluation Harness, or one in ZPRUNER_TASK_ROOTS."
                raise _unusable(each, str(error), remedy) from error
        return loaded


@dataclass(frozen=True)
class _Loader:
    """Loads tasks by name: datasets of questions, and those of the harness."""

    job: OpenedJob
    harness: Any
    catalogue: "TaskCatalogue"

    def load(self, name: str) -> "list[HarnessTask]":
        resources, limit = self.job.resources, self.job.spec.task_limit
        file = task_file(name, resources.dataset_roots, resources.uploads)
        if file is None:
            return self.catalogue.load(name, limit)
        resources.require_unchanged(file)
        # All are read, so that a wrong one is an error with any limit.
        questions = list(read_questions(file))
        return [self.harness.question_task(name, questions, limit)]


def _harness(name: str) -> Any:
    """Return the module of tasks, which takes seconds to import, and needs an extra."""
    try:
        return import_module("worker.evaluation.harness")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lm_eval":
            raise
        reason, remedy = "the worker lacks the LM Evaluation Harness", "pip install 'zpruner[eval]'"
        raise _unusable(name, reason, remedy) from None


def _unusable(name: str, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError("tasks", name, UNUSABLE, reason, remedy)
