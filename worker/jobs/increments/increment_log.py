"""The finished increments of a gradual job, stored so that another run continues after them."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.jobs.increments.pruned_model import PrunedModel
from worker.pruning.model.shards import is_intact
from worker.pruning.sweep.progress import is_same_run
from worker.pruning.sweep.resume_log import Record, ResumeLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinishedIncrement:
    """An increment that has made a model.

    Attributes:
        failures: the bounds of the job's gate that the model violates, as sentences.
    """

    model: PrunedModel
    failures: tuple[str, ...]

    @property
    def number(self) -> int:
        """The number of the increment, from 1."""
        return self.model.increment.number

    def as_json(self) -> dict[str, Any]:
        """Return the fields ready for JSON."""
        return {"model": self.model.as_json(), "failures": list(self.failures)}

    @classmethod
    def from_json(cls, fields: Record) -> "FinishedIncrement":
        """Return the increment from its `as_json`, after conversion to JSON and back."""
        return cls(PrunedModel.from_json(fields["model"]), tuple(fields["failures"]))


class IncrementLog:
    """The finished increments of one job, and the folders of their models.

    Of the models, only the last good one has to be there: the others are deleted. If it is damaged,
    or if anything has changed that the result depends on, all increments are made again.

    Attributes:
        folder: the folder with one folder for each model, by the increment's number.
        finished: the finished increments, in order.
    """

    def __init__(self, out: Path, folder: Path, fingerprint: dict[str, Any]) -> None:
        """Read the increments of an earlier run, or delete those that cannot be used.

        Args:
            out: the folder that the last good model is moved to in the end.
            folder: the folder of the models.
            fingerprint: everything that the result depends on, ready for JSON.
        """
        self.folder, self._out = folder, out
        self._log = ResumeLog(folder / "increments.jsonl")
        records = self._log.read()
        is_usable = is_same_run(records, fingerprint)
        usable = records[1:] if is_usable else []
        self.finished = [FinishedIncrement.from_json(record) for record in usable]
        if self.finished and not self._has_kept_model():
            logger.warning("the model of step %d is damaged; starting over", self.kept.number)
            is_usable, self.finished = False, []
        if folder.exists() and not is_usable:
            shutil.rmtree(folder)
        restored = [increment.as_json() for increment in self.finished]
        self._log.rewrite([{"fingerprint": fingerprint}, *restored])
        self._delete_unneeded()

    @property
    def kept(self) -> FinishedIncrement:
        """The last increment that the gate has passed, or the first one; there has to be one."""
        passed = [increment for increment in self.finished if not increment.failures]
        return passed[-1] if passed else self.finished[0]

    @property
    def is_stopped(self) -> bool:
        """Whether the gate has stopped the job."""
        return any(increment.failures for increment in self.finished)

    def folder_of(self, number: int) -> Path:
        """Return the folder of the model that an increment makes."""
        return self.folder / str(number)

    def record(self, finished: FinishedIncrement) -> None:
        """Record an increment whose model is on the disk; delete what is not needed any more."""
        self._log.append(finished.as_json())
        self.finished.append(finished)
        self._delete_unneeded()

    def _delete_unneeded(self) -> None:
        """Delete all but the files of the kept model, and the folder of the next increment."""
        needed, unneeded = {self.folder_of(len(self.finished) + 1)}, list[Path]()
        if self.finished:
            kept = self.folder_of(self.kept.number)
            needed.add(kept)
            unneeded += kept.glob("*/")  # such as the pruned model before its recovery
        unneeded += (path for path in self.folder.glob("*/") if path not in needed)
        for path in unneeded:
            shutil.rmtree(path)

    def _has_kept_model(self) -> bool:
        folders = (self.folder_of(self.kept.number), self._out)
        return all(
            any(is_intact(folder, shard) for folder in folders) for shard in self.kept.model.shards
        )
