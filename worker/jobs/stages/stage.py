"""The interface of a stage: one option of a job at work."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.pruning.base.names import SCORES_FOLDER
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Measure, Shard
from worker.pruning.sweep.results import BlockResult

SHORT = 0.02
"""The share of a job's work that a short measurement is taken to be."""


@dataclass(frozen=True)
class Measured:
    """The measurements of a stage, ready for JSON: metrics by name, and a part of the report."""

    metrics: Mapping[str, Any]
    report: Any


@dataclass(frozen=True)
class WrittenModel:
    """The pruned model.

    Attributes:
        folder: the folder of its weights.
        shards: their files, whose digests identify them.
        blocks: the results of its blocks.
        config: the folder of its config.
        distances: the numbers of `WindowDistance` that the sweep has measured; empty if it has not.
    """

    folder: Path
    shards: Sequence[Shard]
    blocks: Sequence[BlockResult]
    config: Path
    distances: Sequence[Sequence[float]] = ()

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file by its name, which identifies the model.

        A resumed job may write the files again, so that only their content does.
        """
        return {shard.name: shard.sha256 for shard in self.shards}

    @property
    def scores(self) -> Path:
        """The folder of what was measured of the model, for a resumed job."""
        return self.folder / SCORES_FOLDER

    def open(self, dtype: torch.dtype, device: torch.device) -> MetaModel:
        """Return the model, to compute in ``dtype``."""
        return MetaModel.open(self.config, dtype, device, weights=self.folder)


class Stage:
    """One option of a job at work: what it needs, changes, measures and reports.

    Attributes:
        part: the name of its part of the report.
        share: the share of a job's work that its measurement is taken to be.
        reads_result: whether it measures the folder of the result as it is used, which may hold a
            smaller model, and not the weights alone.
        rewrites: whether it writes the model's files anew, with `rewrite`.
        whole_model: if the whole model has to fit into memory, the change of the job with which it
            need not, and what needs it.
    """

    part: ClassVar[str]
    share: ClassVar[float] = 0.0
    reads_result: ClassVar[bool] = False
    rewrites: ClassVar[bool] = False
    whole_model: ClassVar[tuple[str, str] | None] = None

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        """Load what the stage needs, and check that it is possible; None if the job has no such.

        Raises:
            SpecRefusedError: it is not possible with the job's model.
        """
        raise NotImplementedError

    def prepare(self, out: Path) -> Generator[JobProgress, None, Self]:
        """Do what comes before the first block; ``out`` is the folder of the result."""
        yield from ()
        return self

    def swept(self, job: OpenedJob) -> OpenedJob:
        """Return the job that the sweep gets, after `prepare`."""
        return job

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Measure the model; ``start`` and ``end`` are the shares of the job done then."""
        yield from ()
        return self.results(model)

    def results(self, model: WrittenModel) -> Measured:
        """Return what the sweep has measured, of a stage that measures nothing after it."""
        raise NotImplementedError

    def rewrite(
        self, source: Path, out: Path, measure: Measure, fraction: float
    ) -> Generator[JobProgress, None, list[Shard]]:
        """Write the weights of the result, given a folder of weights; return their files.

        ``measure`` measures each file while its tensors are in memory, and ``fraction`` is the
        share of the job that is done.
        """
        raise NotImplementedError

    def complete(self, out: Path) -> tuple[str, ...]:
        """Add files to the result in place of the model's own; return their names."""
        return ()

    def config_entry(self) -> Mapping[str, Any] | None:
        """Return the entry of config.json about how the weights are stored; None for none."""
        return None

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        """Return steps of the model card, given the report's part and the metrics of its name."""
        return ()
