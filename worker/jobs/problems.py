"""The problem that is stored for a failed job, chosen by the error that made it fail."""

import errno

from sqlalchemy.exc import InterfaceError, OperationalError

from db.buckets.errors import BucketError
from db.core.access_errors import EncryptionKeyError
from db.core.errors import SpecRefusedError
from db.core.escaping import escape_surrogates, quoted
from db.core.problem import FieldProblem, Problem
from db.problems import failures as kinds
from db.problems.access import ENCRYPTION_KEY
from db.problems.catalogue import refusal_problem
from db.problems.kind import ProblemKind, for_class
from db.problems.service import DISK_FULL, STORAGE_UNAVAILABLE
from db.problems.specification import BUCKET_UNREACHABLE, HUB_UNREACHABLE
from db.spec.prune_spec import PruneSpec
from worker.jobs.signature import SigningKeyError
from worker.pruning.base import errors

TRANSIENT_CODES = {
    DISK_FULL.code,
    STORAGE_UNAVAILABLE.code,
    kinds.DATABASE_LOST.code,
    HUB_UNREACHABLE.code,
    BUCKET_UNREACHABLE.code,
}
"""The codes of problems that may be over by the next attempt."""

KINDS: dict[type[BaseException], ProblemKind] = {
    EncryptionKeyError: ENCRYPTION_KEY,
    SigningKeyError: kinds.SIGNING_KEY,
    errors.PruningError: kinds.UNPRUNABLE,
    errors.ShapeError: kinds.SHAPE,
    errors.PatternError: kinds.PATTERN,
    errors.SkipError: kinds.SKIP,
    errors.AllocationError: kinds.ALLOCATION,
    errors.RatioError: kinds.RATIO,
    errors.ExpertsError: kinds.EXPERTS,
    errors.SparsityError: kinds.SPARSITY,
    errors.IncrementsError: kinds.INCREMENTS,
    errors.RefinementError: kinds.REFINEMENT,
    errors.RecoveryError: kinds.RECOVERY,
    errors.QuantizationError: kinds.QUANTIZATION,
    errors.BinarizationError: kinds.BINARIZATION,
    errors.RotationError: kinds.ROTATION,
    errors.UnknownMethodError: kinds.UNKNOWN_METHOD,
    errors.SolverFailedError: kinds.SOLVER_FAILED,
    errors.UnsupportedModelError: kinds.UNSUPPORTED_MODEL,
    errors.SmallerModelError: kinds.SMALLER_MODEL,
    errors.CheckpointError: kinds.CHECKPOINT,
    errors.InsufficientMemoryError: kinds.NO_ROOM,
    errors.NotFiniteError: kinds.NOT_FINITE,
    errors.DevicesError: kinds.DEVICES,
    errors.RankLostError: kinds.RANK_LOST,
    MemoryError: kinds.OUT_OF_MEMORY,
    BucketError: STORAGE_UNAVAILABLE,
    OperationalError: kinds.DATABASE_LOST,
    InterfaceError: kinds.DATABASE_LOST,
    BaseException: kinds.INTERNAL_ERROR,
}


def problem_of(error: BaseException, spec: PruneSpec | None = None) -> Problem:
    """Return the problem for an error; if known, it names the field of `spec` to change."""
    if isinstance(error, SpecRefusedError):
        return refusal_problem(error)
    kind = _kind_of(error)
    if isinstance(error, errors.PruningError):
        return _pruning_problem(kind, error, spec)
    details = {
        kinds.OUT_OF_MEMORY: str(error) or "Memory ran out.",
        STORAGE_UNAVAILABLE: "The worker could not use the bucket; its log has the reason.",
        kinds.DATABASE_LOST: "The worker could not reach the database for longer than a lease.",
        kinds.INTERNAL_ERROR: f"The worker met an unexpected {type(error).__name__}.",
    }
    return kind.problem(details.get(kind, str(error)))


def time_limit_problem(limit_s: float) -> Problem:
    return kinds.TIME_LIMIT.problem(f"The job was still running after {limit_s:g} seconds.")


def _kind_of(error: BaseException) -> ProblemKind:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DISK_FULL
    # By name: this module must not import torch, whose error this is on a GPU.
    if type(error).__name__ == "OutOfMemoryError":
        return kinds.OUT_OF_MEMORY
    return for_class(KINDS, type(error))


def _pruning_problem(
    kind: ProblemKind, error: errors.PruningError, spec: PruneSpec | None
) -> Problem:
    detail, field = escape_surrogates(str(error)), error.field
    hint = kind.remedy or escape_surrogates(error.advice) or None
    if spec is None or field is None:
        return kind.problem(detail, hint=hint)
    value = quoted(spec.model_dump(mode="json")[field])
    wrong = FieldProblem(pointer=f"/{field}", code=kind.code, detail=f"{field} {value}: {detail}")
    return kind.problem(detail, hint=hint, errors=[wrong])
