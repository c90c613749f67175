"""The progress and the result of a job's work, as the worker and the command line receive them."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from db.core.states import Phase
from db.files.sealed_folder import KnownDigest
from worker.pruning.base.generators import mapped

Result = TypeVar("Result")
PACKAGED = 0.99
"""The share of a job's work that is done after the model was measured."""


@dataclass(frozen=True)
class JobProgress:
    """The progress of a job, at a place where its work may stop.

    Attributes:
        phase: the current phase.
        fraction: the share of all work that is done.
        block: if a block has just finished, the block's index from 0, the number of blocks, and the
            block's name.
        report: the measurements of that block, ready for JSON.
        recovery: the fields of a `RecoveryProgress`, ready for JSON, if a step of the recovery is
            reported.
        resumed_from_block: how many blocks earlier attempts finished, if known; reported once.
        resumed_from_step: how many steps of the recovery earlier attempts made, if known; reported
            once.
        step: the number of the gradual job's step, from 1, and the number of all its steps; None
            for other jobs.
        step_result: the measurements of that step, ready for JSON, if it has just finished.
    """

    phase: Phase
    fraction: float
    block: tuple[int, int, str] | None = None
    report: dict[str, Any] | None = None
    recovery: dict[str, Any] | None = None
    resumed_from_block: int | None = None
    resumed_from_step: int | None = None
    step: tuple[int, int] | None = None
    step_result: dict[str, Any] | None = None

    @property
    def has_finished_work(self) -> bool:
        """Whether a block, a reported step of the recovery or a gradual step has just finished."""
        finished = (self.block, self.recovery, self.step_result)
        return any(part is not None for part in finished)

    @property
    def is_of_measurement(self) -> bool:
        """Whether the model as a whole is being measured, after the last block or step."""
        return self.phase is Phase.evaluating and self.step is None and not self.has_finished_work


@dataclass(frozen=True)
class JobResult:
    """The result of a finished job.

    Attributes:
        metrics: the job's metrics, ready for JSON.
        digests: the digest of each weight file, by file name, computed while the file was written.
        warnings: sentences for people who read the metrics, as in the report.
        has_files: whether the job has written files to publish.
    """

    metrics: dict[str, Any]
    digests: dict[str, KnownDigest] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    has_files: bool = True


def stops_at(
    fraction: float, phase: Phase, steps: Generator[object, None, Result]
) -> Generator[JobProgress, None, Result]:
    """Yield the same progress after each step, as a place where the job may stop."""
    return mapped(steps, lambda _: [JobProgress(phase, fraction)])
