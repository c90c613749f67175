"""The progress of a pruning run, kept in its output folder so that another run can resume it."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from worker.pruning.base.names import PROGRESS_FOLDER, ROTATED_FOLDER
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.shards import Shard, is_intact, shard_files
from worker.pruning.sweep import snapshots
from worker.pruning.sweep.results import BlockResult
from worker.pruning.sweep.resume_log import Record, ResumeLog

T = TypeVar("T")
logger = logging.getLogger(__name__)

CODE = ("code", "recovery_code")
"""The parts of fingerprints that are digests of code."""
_SNAPSHOT_EVERY_S = 60.0
_SNAPSHOT_COST = 20  # a snapshot waits for this many times what the last one took


class Progress:
    """The resume log of one pruning run, and the blocks that are finished according to it.

    A run that finds a log with its own fingerprint continues at the first block without an intact
    shard. Files of a run with another fingerprint cannot be used, and are deleted.

    Attributes:
        folder: the folder of temporary files.
        finished: how many blocks are finished; these are the first blocks of the model.
        resumed_from_block: how many blocks were finished when this run started, which is also the
            index of the first block that this run prunes; None if no block was finished.
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
        self._facts: dict[str, Any] = {}
        self._blocks: list[Record] = []
        self._snapshot: Record | None = None
        self._saved_at, self._saving_took = time.monotonic(), 0.0
        self._facts, self._blocks = ranks.run_on_main(lambda: self._resume(fingerprint))
        self.finished = len(self._blocks)
        self.resumed_from_block = self.finished or None

    def _resume(self, fingerprint: dict[str, Any]) -> tuple[dict[str, Any], list[Record]]:
        """Delete unusable files; return the recorded measurements (by name) and finished blocks."""
        records = self._log.read()
        intact = self._read(records[1:]) if is_same_run(records, fingerprint) else []
        if intact:
            self._delete_unrecorded()
        elif self.folder.exists():
            # The rotated model is what this run prunes, and has a record of its own.
            _delete(path for path in self._out.iterdir() if path.name != ROTATED_FOLDER)
        self._log.rewrite([{"fingerprint": fingerprint}, *intact])
        return self._facts, self._blocks

    @property
    def shards(self) -> list[Shard]:
        """The finished blocks' shards."""
        return [Shard(**block["shard"]) for block in self._blocks]

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds taken up to the last finished block, by activity: ``prune`` and ``evaluate``."""
        return dict(self._blocks[-1]["seconds"]) if self._blocks else {}

    def result(self, index: int) -> BlockResult:
        """Return the result of a finished block."""
        return BlockResult.from_json(self._blocks[index]["block"])

    def measure_once(self, name: str, measure: Callable[[], T]) -> T:
        """Return the log's result with this name; if there is none, record that of ``measure``.

        All ranks call ``measure``.

        Args:
            name: the name of the result in the log.
            measure: called if the log has no result. Its result must be the same after conversion
                to JSON and back.
        """
        if name not in self._facts:
            self._facts[name] = measure()
            self._record({"fact": name, "value": self._facts[name]})
        known: T = self._facts[name]
        return known

    def decide_once(self, name: str, decide: Callable[[], T]) -> T:
        """Return the log's result with this name; if there is none, record that of ``decide``.

        Only rank 0 calls ``decide``; all ranks get its result.
        """
        return self.measure_once(name, lambda: self._ranks.run_on_main(decide))

    def fact(self, name: str) -> Any:
        """Return the log's result with this name; None if there is none."""
        return self._facts.get(name)

    def is_measured(self, name: str) -> bool:
        """Return whether the log has a result with this name."""
        return name in self._facts

    def record_block(self, result: BlockResult, shard: Shard, seconds: Mapping[str, float]) -> None:
        """Record rank 0's result of a block whose shard is already on the disk."""
        shared = self._ranks.run_on_main(lambda: result)
        block = {"block": shared.as_json(), "shard": shard._asdict(), "seconds": dict(seconds)}
        self._record(block)
        self._blocks.append(block)
        self.finished += 1

    def save_streams(self, blocks: int, streams: Mapping[str, Activations]) -> None:
        """Save a snapshot of the streams after ``blocks`` blocks, unless the last save is recent.

        The previous snapshot is deleted when this one is recorded. With several ranks there are no
        snapshots, because each rank has only its share of the streams: a resumed run then replays
        the finished blocks.
        """
        if self._ranks.size > 1:
            return
        waited = time.monotonic() - self._saved_at
        if waited < max(_SNAPSHOT_EVERY_S, _SNAPSHOT_COST * self._saving_took):
            return
        started = time.monotonic()
        snapshot: Record = {"snapshot": blocks}
        snapshot["pieces"] = snapshots.save(self._place(snapshot), streams)
        self._log.append(snapshot)
        if self._snapshot is not None:
            shutil.rmtree(self._place(self._snapshot))
        self._snapshot = snapshot
        self._saved_at = time.monotonic()
        self._saving_took = self._saved_at - started

    def restore_streams(self, streams: Mapping[str, Activations]) -> int:
        """Load the snapshot into the streams; return how many blocks come before it.

        Without an intact snapshot of these streams, they do not change and the result is 0.
        """
        if self._snapshot is None or self._ranks.size > 1:
            return 0
        folder, pieces = self._place(self._snapshot), self._snapshot["pieces"]
        if not snapshots.is_intact(folder, pieces):
            logger.warning("%s is damaged; computing the hidden states again", folder.name)
            self.delete_snapshot()
            return 0
        if not snapshots.fits(pieces, streams):  # another job has measured or deleted moments
            self.delete_snapshot()
            return 0
        snapshots.load(folder, pieces, streams)
        blocks: int = self._snapshot["snapshot"]
        return blocks

    def delete_snapshot(self) -> None:
        """Delete the snapshot, if there is one."""
        if self._snapshot is not None:
            shutil.rmtree(self._place(self._snapshot), ignore_errors=True)
            self._snapshot = None

    def _record(self, record: Record) -> None:
        if self._ranks.is_main:
            self._log.append(record)

    def _read(self, records: Iterable[Record]) -> list[Record]:
        """Restore the state from the records and return them, up to the first damaged shard."""
        intact: list[Record] = []
        for record in records:
            if "fact" in record:
                self._facts[record["fact"]] = record["value"]
            elif "snapshot" in record:
                self._snapshot = record
            elif is_intact(self._out, shard := Shard(**record["shard"])):
                self._blocks.append(record)
            else:
                logger.warning("%s is damaged; pruning again from this block on", shard.name)
                break
            intact.append(record)
        return intact

    def _delete_unrecorded(self) -> None:
        """Delete files that are not in the log: incomplete ones, and shards after a damaged one."""
        recorded = {self._out / shard.name for shard in self.shards}
        for path in set(shard_files(self._out)) - recorded:
            path.unlink()
        kept = {self._log.path} | ({self._place(self._snapshot)} if self._snapshot else set())
        _delete(set(self.folder.iterdir()) - kept)

    def _place(self, snapshot: Record) -> Path:
        return self.folder / f"snapshot-{snapshot['snapshot']}"


def is_same_run(records: list[Record], fingerprint: dict[str, Any]) -> bool:
    """Return whether the records are of a run with this fingerprint; log any changed parts.

    If code has changed, only that is logged: other code may describe the same parts differently.
    """
    if not records:
        return False
    earlier = records[0].get("fingerprint", {})
    changed = [name for name, part in fingerprint.items() if earlier.get(name) != part]
    if changed:
        causes = [name for name in changed if name in CODE] or changed
        logger.warning("starting over: %s changed since the last run", ", ".join(causes))
    return not changed


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
