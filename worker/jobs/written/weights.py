"""What is measured of the written weights: their patterns, and their size."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.core.states import Phase
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.written.matrices import pruned_matrices
from worker.pruning.model.shards import Shard
from worker.pruning.sweep.results import BlockResult
from zpruner.files.certificate import BrokenMatrix, Certificate, Matrix
from zpruner.files.patterns import STANDARD, GroupPattern
from zpruner.files.weights import tensors_of


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
            "matrices": [one.tensor for one in self.matrices if not one.transposed],
            "transposed": [one.tensor for one in self.matrices if one.transposed],
            "broken": [vars(one) for one in self._broken],
        }

    @property
    def _broken(self) -> Sequence[BrokenMatrix]:
        if self.requested is None:
            return ()
        return self.certificate.broken.get(self.requested, ())


def read_weights(
    job: OpenedJob,
    blocks: Sequence[BlockResult],
    out: Path,
    shards: Sequence[Shard],
    fraction: float,
) -> Generator[JobProgress, None, WrittenWeights]:
    """Read the weights of a job from its files.

    Args:
        job: the job.
        blocks: the results of its blocks, which name the pruned matrices.
        out: the folder with the files.
        shards: the files of weights.
        fraction: the share of the job's work that is done.

    Yields:
        Progress after each file, as a place where the job may stop.
    """
    # What is left of a model from which units were removed is dense, and its blocks are renumbered.
    matrices = [] if job.recipe.is_cut else pruned_matrices(job.meta_model, blocks)
    pattern = job.spec.pattern
    requested = None if pattern is None else GroupPattern.parse(pattern)
    patterns = STANDARD if requested is None else (requested, *STANDARD)
    certificate, tensors = Certificate(tuple(dict.fromkeys(patterns))), tensors_of(out)
    by_file: defaultdict[str, list[Matrix]] = defaultdict(list)
    for matrix in matrices:
        by_file[tensors[matrix.tensor].path.name].append(matrix)
    for shard in shards:
        for matrix in by_file[shard.name]:
            certificate.add(matrix, tensors)
        yield JobProgress(Phase.packaging, fraction)
    size = sum(shard.size_bytes for shard in shards)
    return WrittenWeights(matrices, requested, certificate, size)
