"""The measurement of weights as they are written: their patterns, and their size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.jobs.opened_job import OpenedJob
from worker.jobs.result.matrices import all_matrices, pruned_matrices
from worker.pruning.model.file_content import FileContent
from worker.pruning.model.shards import Shard
from worker.pruning.sweep.results import BlockResult
from zpruner.files.certificate import BrokenMatrix, Certificate, Matrix, broken_patterns
from zpruner.files.patterns import STANDARD, GroupPattern
from zpruner.files.weights import tensors_in


@dataclass(frozen=True)
class WrittenWeights:
    """The written weights.

    Attributes:
        matrices: the pruned matrices.
        requested: the pattern that the job asked for; None if it asked for none.
        certificate: which patterns the matrices hold.
        size_bytes: the size of all weight files.
    """

    matrices: Sequence[Matrix]
    requested: GroupPattern | None
    certificate: Certificate
    size_bytes: int

    def metrics(self) -> dict[str, Any]:
        """Return the metrics by name, ready for JSON."""
        return {
            "weights_bytes": self.size_bytes,
            "patterns": {
                "matrices": self.certificate.matrices,
                "held": [str(pattern) for pattern in self.certificate.held],
                "requested": None if self.requested is None else str(self.requested),
                "broken": None if self.requested is None else len(self._broken),
            },
        }

    def report(self) -> dict[str, Any]:
        """Return the matrices that were read, and those that break the requested pattern."""
        return {
            "matrices": [matrix.tensor for matrix in self.matrices if not matrix.transposed],
            "transposed": [matrix.tensor for matrix in self.matrices if matrix.transposed],
            "broken": [vars(matrix) for matrix in self._broken],
        }

    @property
    def _broken(self) -> Sequence[BrokenMatrix]:
        if self.requested is None:
            return ()
        return self.certificate.broken.get(self.requested, ())


@dataclass(frozen=True)
class WeightMeasure:
    """Measures a file of weights while it is in memory.

    Attributes:
        matrices: the matrices to read, of which a file has some.
        patterns: the patterns that they may hold.
    """

    matrices: tuple[Matrix, ...]
    patterns: tuple[GroupPattern, ...]

    @classmethod
    def of(cls, job: OpenedJob) -> "WeightMeasure":
        """Return what measures the files of a job's result."""
        # What is left of a model from which units were removed is dense, with renumbered blocks.
        matrices = [] if _is_smaller(job) else all_matrices(job.meta_model)
        return cls(tuple(matrices), _patterns(job))

    def __call__(self, content: FileContent) -> dict[str, Any]:
        """Return how often each matrix of the file violates each pattern."""
        tensors = tensors_in(content.open)
        return {
            matrix.tensor: {
                str(pattern): [broken.groups, broken.broken]
                for pattern, broken in broken_patterns(placed, matrix, self.patterns).items()
            }
            for matrix in self.matrices
            if (placed := tensors.get(matrix.tensor)) is not None
        }


def written_weights(
    job: OpenedJob, blocks: Sequence[BlockResult], shards: Sequence[Shard]
) -> WrittenWeights:
    """Return what was measured of the files of a job's result.

    Args:
        blocks: the results of its blocks, which name the pruned matrices.
        shards: the files, as a `WeightMeasure` has measured them.
    """
    measures = {name: counts for shard in shards for name, counts in _measured(shard).items()}
    matrices = [] if _is_smaller(job) else pruned_matrices(job.meta_model, blocks)
    certificate = Certificate(_patterns(job))
    for matrix in matrices:
        certificate.count(
            {
                GroupPattern.parse(text): BrokenMatrix(matrix.tensor, *counts)
                for text, counts in measures[matrix.tensor].items()
            }
        )
    size = sum(shard.size_bytes for shard in shards)
    return WrittenWeights(matrices, _requested(job), certificate, size)


def _is_smaller(job: OpenedJob) -> bool:
    """Return whether the result's matrices are others than those of the model."""
    return job.recipe.is_cut or job.recipe.cuts_blocks


def _measured(shard: Shard) -> Mapping[str, Any]:
    if shard.measured is None:
        raise ValueError(f"{shard.name} was written without a measure")
    return shard.measured


def _patterns(job: OpenedJob) -> tuple[GroupPattern, ...]:
    requested = _requested(job)
    return tuple(dict.fromkeys(STANDARD if requested is None else (requested, *STANDARD)))


def _requested(job: OpenedJob) -> GroupPattern | None:
    pattern = job.spec.pattern
    return None if pattern is None else GroupPattern.parse(pattern)
