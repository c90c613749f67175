"""The progress of a recovery, kept in its output folder so that another run can resume it."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from torch import Tensor

from worker.pruning.base.durable_files import move_into_place, save_tensors, sha256
from worker.pruning.base.names import PROGRESS_FOLDER
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.shards import shard_files
from worker.pruning.sweep.progress import is_same_run
from worker.pruning.sweep.resume_log import Record, ResumeLog
from worker.recovery.results import CurvePoint

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingState:
    """The progress of the training.

    Attributes:
        step: number of steps made so far.
        best_step: the step with the smallest held-out loss, as `CurvePoint.relative_to` compares
            it; 0 is the pruned model.
        best_loss: the held-out loss of the best step.
        rises: number of held-out losses after the best step, and after the warm-up, that did not
            fall.
        curve: the losses of all steps.
    """

    step: int
    best_step: int
    best_loss: float
    rises: int
    curve: tuple[CurvePoint, ...]

    def with_step(self, point: CurvePoint, *, in_warmup: bool = False) -> "TrainingState":
        """Return the state after another step with these losses.

        A held-out loss that falls is no rise, even above the smallest: the first steps at a high
        rate, or another mask, may cost what the training then wins back. In the warm-up no loss is
        a rise, because it says little about what the later, smaller steps achieve.
        """
        after = replace(self, step=point.step, curve=(*self.curve, point))
        if (held_out := point.held_out_loss) is None:
            return after
        start, measured = self.curve[0], point.relative_to(self.curve[0])
        known = [one for one in self.curve if one.held_out_loss is not None]
        best = next(one for one in known if one.step == self.best_step)
        if measured < best.relative_to(start):
            return replace(after, best_step=point.step, best_loss=held_out, rises=0)
        falls = measured < known[-1].relative_to(start)
        return replace(after, rises=self.rises + (not (falls or in_warmup)))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the state whose fields were stored as JSON."""
        curve = tuple(
            CurvePoint(**point | {"held_out_of_sources": sources and tuple(sources)})
            for point in fields["curve"]
            for sources in (point["held_out_of_sources"],)
        )
        return cls(**fields | {"curve": curve})


class RecoveryLog:
    """The log of a recovery, and the files that it lists.

    The files hold the teacher's predictions, and states of the training.

    A run that finds a log with its own fingerprint continues from the last recorded state, or
    starts the training again if a file of that state is damaged. Files of a run with another
    fingerprint are deleted.

    Attributes:
        folder: the folder of all these files.
        state: the last recorded state of the training; None if there is none to continue from.
    """

    def __init__(
        self, out: Path, fingerprint: dict[str, Any], ranks: Ranks = SINGLE_PROCESS
    ) -> None:
        """Resume an earlier run from its files in ``out``; delete those that cannot be used.

        Args:
            out: the output folder.
            fingerprint: everything that the result depends on.
            ranks: the ranks of the run. Rank 0 reads and writes the log, and shares its contents.
        """
        self.folder = out / PROGRESS_FOLDER
        self._out, self._ranks = out, ranks
        self._log = ResumeLog(self.folder / "journal.jsonl")
        self._started = time.perf_counter()
        records = ranks.run_on_main(lambda: self._resume(fingerprint))
        self._facts = {record["fact"]: record["value"] for record in records if "fact" in record}
        self._chunks = {record["teacher"] for record in records if "teacher" in record}
        states = [
            TrainingState.from_json(record["state"]) for record in records if "state" in record
        ]
        self.state = states[-1] if states else None
        self._earlier_seconds = max((record["seconds"] for record in records), default=0.0)

    @property
    def seconds(self) -> float:
        """The duration of this run, plus that of earlier runs up to the last usable record."""
        return self._earlier_seconds + time.perf_counter() - self._started

    def has_chunk(self, chunk: int) -> bool:
        """Whether the teacher's predictions of a chunk are on the disk."""
        return chunk in self._chunks

    def record_chunk(self, chunk: int, file: Path) -> None:
        """Record that the teacher's predictions of a chunk are on the disk."""
        self._record(lambda: {"teacher": chunk, "files": {file.name: sha256(file)}})
        self._chunks.add(chunk)

    def decide_once(self, name: str, decide: Callable[[], T]) -> T:
        """Return the result of this name from the log.

        If there is none, call ``decide`` on rank 0, and record its result.
        """
        return self.measure_once(name, lambda: self._ranks.run_on_main(decide))

    def measure_once(self, name: str, measure: Callable[[], T]) -> T:
        """Return the result of this name from the log.

        If there is none, call ``measure`` on all ranks, and record its result.

        Args:
            name: the name of the result in the log.
            measure: returns the result; it must be the same after conversion to JSON and back.
        """
        if name not in self._facts:
            self._facts[name] = measure()
            self._record(lambda: {"fact": name, "value": self._facts[name]})
        known: T = self._facts[name]
        return known

    def is_known(self, name: str) -> bool:
        """Whether the log has a result of this name."""
        return name in self._facts

    def record_state(
        self, state: TrainingState, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
    ) -> None:
        """Save a state of the training; delete earlier states' files, except the best weights.

        Args:
            state: the progress of the training.
            weights: the trained parameters and masks, by name.
            moments: the optimizer's moments of these parameters, by name.
        """

        def save() -> Record:
            self._save(_weights_file(state.step), weights)
            self._save(_moments_file(state.step), moments)
            files = {name: sha256(self.folder / name) for name in _files_of(state)}
            return {"state": asdict(state), "files": files}

        self._record(save)
        self.state = state
        if self._ranks.is_main:
            needed = _files_of(state)
            for pattern in ("weights-*", "moments-*"):
                _delete(path for path in self.folder.glob(pattern) if path.name not in needed)
        self._ranks.barrier()

    def weights(self, step: int) -> dict[str, Tensor]:
        """Read the weights of ``step``, which must be the last recorded step or the best step."""
        return _read(self.folder / _weights_file(step))

    def moments(self, step: int) -> dict[str, Tensor]:
        """Read the moments of ``step``, which must be the last recorded step."""
        return _read(self.folder / _moments_file(step))

    def _resume(self, fingerprint: dict[str, Any]) -> list[Record]:
        """Return the records from which this run can continue; delete all other records and files.

        Files are compared with their digests.
        """
        records = self._log.read()
        if not is_same_run(records, fingerprint):
            shutil.rmtree(self.folder, ignore_errors=True)
            _delete(shard_files(self._out))
            records = []
        intact = [record for record in records[1:] if "fact" in record]
        intact += [record for record in records if "teacher" in record and self._is_intact(record)]
        intact += [record for record in records if "state" in record][-1:]
        if intact and "state" in intact[-1] and not self._is_intact(intact[-1]):
            intact.pop()
        first: Record = {"fingerprint": fingerprint}
        self._log.rewrite([first, *intact])
        needed = {
            self._log.path.name,
            *(name for record in intact for name in record.get("files", {})),
        }
        _delete(path for path in self.folder.iterdir() if path.name not in needed)
        return intact

    def _is_intact(self, record: Record) -> bool:
        paths = [(self.folder / name, digest) for name, digest in record["files"].items()]
        damaged = [
            path.name for path, digest in paths if not path.is_file() or sha256(path) != digest
        ]
        if damaged:
            logger.warning("%s damaged; computing it again", ", ".join(damaged))
        return not damaged

    def _record(self, record: Callable[[], Record]) -> None:
        if self._ranks.is_main:
            self._log.append({"seconds": self.seconds} | record())

    def _save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        written = self.folder / f"{name}.new"
        save_tensors({key: value.contiguous() for key, value in tensors.items()}, written)
        move_into_place(written, self.folder / name)


def _files_of(state: TrainingState) -> list[str]:
    """Return the names of the files that a state needs."""
    best = [_weights_file(state.best_step)] if state.best_step else []
    return [*{_weights_file(state.step): None, **dict.fromkeys(best)}, _moments_file(state.step)]


def _weights_file(step: int) -> str:
    return f"weights-{step:06d}.safetensors"


def _moments_file(step: int) -> str:
    return f"moments-{step:06d}.safetensors"


def _read(path: Path) -> dict[str, Tensor]:
    checkpoint = Checkpoint.from_files([path])
    return {name: checkpoint.read(name) for name in checkpoint.tensors}


def _delete(paths: Iterator[Path]) -> None:
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
