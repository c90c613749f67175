"""Checks of what a job needs besides its model and texts: tasks, and an extra on the workers."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from api.core.unchecked import BY_WORKER_BEFORE_PRUNING
from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.scheduling.workers import WorkerRepository
from db.spec.datasets.upload_store import UPLOADED
from db.spec.evaluation.harness_tasks import EXTRA, harness_tasks, harness_version
from db.spec.inputs.input_name import LOCAL
from db.spec.options.tasks import SUITES, tasks_of
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Worker

UNUSABLE = "unusable_task"
INSTALL = f"pip install 'zpruner[{EXTRA}]'"


def check_tasks(sessions: Sessions, queue: str, spec: PruneSpec) -> list[str]:
    """Check that workers can measure the tasks of a job; return warnings.

    Args:
        sessions: the database, in which workers write which extras they have.
        queue: the job's queue.
        spec: the job.

    Raises:
        SpecRefusedError: no worker of the queue has the harness, or a task does not exist.
    """
    if not spec.tasks:
        return []
    with sessions() as session:
        alive = [status.worker for status in WorkerRepository(session).all() if status.is_alive]
    workers = [worker for worker in alive if queue in worker.queues and worker.extras is not None]
    if not workers:
        return [f"tasks were not checked: queue {queue} has no worker. {BY_WORKER_BEFORE_PRUNING}"]
    able = [worker for worker in workers if EXTRA in (worker.extras or {})]
    if not able:
        reason = f"no worker of queue {queue} has the LM Evaluation Harness"
        raise SpecRefusedError("tasks", spec.tasks[0], UNUSABLE, reason, f"{INSTALL} there.")
    return [*_partly_able(workers, able), *_check_names(spec.tasks, able)]


def _partly_able(workers: Sequence[Worker], able: Sequence[Worker]) -> list[str]:
    if len(able) == len(workers):
        return []
    others = ", ".join(worker.name for worker in workers if worker not in able)
    reason = f"The job fails if it is taken by a worker without the LM Evaluation Harness: {others}"
    return [f"{reason}. {INSTALL} there."]


def _check_names(names: Iterable[str], workers: Sequence[Worker]) -> list[str]:
    asked = [task for name in names for task in tasks_of(name)]
    of_harness = [task for task in asked if not task.startswith((UPLOADED, LOCAL))]
    if not of_harness:
        return []
    if harness_version() not in {(worker.extras or {})[EXTRA] for worker in workers}:
        reason = "tasks were not looked up: the API has no LM Evaluation Harness of the worker's"
        return [f"{reason} version. {BY_WORKER_BEFORE_PRUNING}"]
    known = harness_tasks()
    unknown = [task for task in of_harness if task not in known]
    if unknown and any(worker.own_tasks for worker in workers):
        reason = f"{', '.join(unknown)}: no task of the LM Evaluation Harness has this name"
        return [f"{reason}; it may be one of ZPRUNER_TASK_ROOTS. {BY_WORKER_BEFORE_PRUNING}"]
    for task in unknown:
        close = get_close_matches(task, [*SUITES, *sorted(known)], n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        remedy = f"{meant}Name a task or group of the LM Evaluation Harness, a suite such as "
        remedy += "wanda7, or uploaded: or local: and a file of questions."
        raise SpecRefusedError("tasks", task, UNUSABLE, "there is no such task", remedy)
    return []
