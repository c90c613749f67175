"""The face of an error on a failed job: the document a refused request would get."""

import errno
import re

from sqlalchemy.exc import InterfaceError, OperationalError

from db.core.errors import SpecRefusedError
from db.core.problem import FieldProblem, Problem
from db.spec.prune_spec import PruneSpec
from worker.pruning.base.errors import (
    AllocationError,
    CheckpointError,
    DevicesError,
    PatternError,
    PruningError,
    RankLostError,
    SkipError,
    UnsupportedModelError,
)

DISK_FULL, DATABASE_LOST = "disk_full", "database_lost"
PASSING = {DISK_FULL, DATABASE_LOST, "hub_unreachable"}
"""What may be over by the next attempt."""


def problem_of(error: BaseException, spec: PruneSpec | None = None) -> Problem:
    """Say what went wrong, with which field of ``spec``, and what to change."""
    if isinstance(error, SpecRefusedError):
        return _refused(error)
    if isinstance(error, RankLostError):
        return _problem("rank_lost", "A process of the job was lost", str(error), MEMORY)
    if isinstance(error, DevicesError):
        return _problem("devices", "The worker lacks devices", str(error), DEVICES)
    if isinstance(error, PruningError):
        return _unpruned(error, spec)
    # By name: the glue must not import torch, whose own error this is on a GPU.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return _problem("out_of_memory", "Out of memory", str(error) or "memory ran out", MEMORY)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _problem(DISK_FULL, "The disk is full", str(error), DISK)
    if isinstance(error, (OperationalError, InterfaceError)):
        return _problem(DATABASE_LOST, "The database did not answer", DATABASE, LOG)
    return _unexpected(error)


def overdue(limit_s: float) -> Problem:
    """Say that the job took longer than it may."""
    detail = f"The job was still running after {limit_s:g} seconds."
    return _problem("time_limit", "The time limit was reached", detail, TIME)


MEMORY = "Lower samples or seq_len, or give the worker more memory."
DATABASE = "The worker could not reach the database for longer than a lease."
DISK = "Free space in the data folder: a job needs about 2.2 times its model's size."
TIME = "Lower samples, or raise ZPRUNER_JOB_TIMEOUT_S on the worker."
DEVICES = "Lower ZPRUNER_DEVICES on the worker."
LOG = "The worker's log holds the traceback under this job's id."


def _refused(error: SpecRefusedError) -> Problem:
    pointer = FieldProblem(pointer=error.pointer, code=error.code, detail=str(error))
    return Problem(
        type=f"/problems/{error.code}",
        title="The specification names something unusable",
        status=422,
        detail=str(error),
        code=error.code,
        hint=error.remedy,
        errors=[pointer],
    )


FIELDS: dict[type[PruningError], str] = {
    UnsupportedModelError: "model",
    CheckpointError: "model",
    PatternError: "pattern",
    SkipError: "skip",
    AllocationError: "allocation",
}
"""Which field of a specification the core's refusals are about."""


def _unpruned(error: PruningError, spec: PruneSpec | None) -> Problem:
    name = type(error).__name__.removesuffix("Error")
    code = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    remedy = str(error).rpartition("; ")[2]  # their texts end with it
    hint = f"{remedy[:1].upper()}{remedy[1:]}." if remedy != str(error) else None
    problem = _problem(code, "The model cannot be pruned", str(error), hint, status=422)
    if spec is None or (field := FIELDS.get(type(error))) is None:
        return problem
    value = spec.model_dump(mode="json")[field]
    at_fault = FieldProblem(pointer=f"/{field}", code=code, detail=f"{field} {value!r}: {error}")
    return problem.model_copy(update={"errors": [at_fault]})


def _unexpected(error: BaseException) -> Problem:
    detail = f"The worker met an unexpected {type(error).__name__}."
    return _problem("internal_error", "The worker failed", detail, LOG)


def _problem(
    code: str, title: str, detail: str, hint: str | None = None, status: int = 500
) -> Problem:
    return Problem(
        type=f"/problems/{code}", title=title, status=status, detail=detail, code=code, hint=hint
    )
