"""What of a sweep is finished, kept in its output folder so that another run can go on."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from worker.pruning.base.names import PROGRESS_FOLDER
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.shards import Shard, is_intact, shard_files
from worker.pruning.sweep import snapshots
from worker.pruning.sweep.report import BlockReport, block_report
from worker.pruning.sweep.resume_log import Journal, Record

T = TypeVar("T")
log = logging.getLogger(__name__)

"""Below the output folder; whoever hands the result on deletes it."""

_SNAPSHOT_EVERY_S = 60.0
_SNAPSHOT_COST = 20  # a snapshot waits for this many times what the last one took


class Progress:
    """The journal of one sweep, and what it vouches for.

    A run that finds a journal with its own fingerprint goes on after the last block whose shard
    is whole. With another fingerprint nothing of what lies there can be used, and it is deleted.

    Attributes:
        folder: for the sweep's own files; nothing in it outlives the sweep.
        finished: how many blocks are done, from the first on.
        resumed_from_block: the first block that is not done yet, where an earlier run did others.
    """

    def __init__(
        self, out: Path, fingerprint: dict[str, Any], ranks: Ranks = SINGLE_PROCESS
    ) -> None:
        """Look at what an earlier run left in ``out``, keep what is sound and delete the rest.

        Args:
            out: the sweep's output folder.
            fingerprint: what its bytes depend on.
            ranks: who else takes part. Rank 0 looks and writes, the others know what it knows.
        """
        self.folder = out / PROGRESS_FOLDER
        self._out, self._ranks = out, ranks
        self._journal = Journal(self.folder / "journal.jsonl")
        self._facts: dict[str, Any] = {}
        self._blocks: list[Record] = []
        self._snapshot: Record | None = None
        self._saved_at, self._saving_took = time.monotonic(), 0.0
        self._facts, self._blocks = ranks.run_on_main(lambda: self._look(fingerprint))
        self.finished = len(self._blocks)
        self.resumed_from_block = self.finished or None

    def _look(self, fingerprint: dict[str, Any]) -> tuple[dict[str, Any], list[Record]]:
        """Take up what is sound, delete the rest, and return the known facts and blocks."""
        records = self._journal.read()
        sound = self._take_up(records[1:]) if _continues(records, fingerprint) else []
        if sound:
            self._drop_unrecorded()
        elif self.folder.exists():
            _delete(self._out.iterdir())
        self._journal.rewrite([{"fingerprint": fingerprint}, *sound])
        return self._facts, self._blocks

    @property
    def shards(self) -> list[Shard]:
        """The finished blocks' shards."""
        return [Shard(**block["shard"]) for block in self._blocks]

    @property
    def seconds(self) -> dict[str, float]:
        """What the earlier run had spent, by kind, when it finished its last block."""
        return dict(self._blocks[-1]["seconds"]) if self._blocks else {}

    def report(self, index: int) -> BlockReport:
        """Return a finished block's report."""
        return block_report(self._blocks[index]["block"])

    def once(self, name: str, measure: Callable[[], T]) -> T:
        """Return what ``measure`` returns, from the journal if an earlier run called it.

        Args:
            name: what is measured.
            measure: its result must be the same after a way through JSON.
        """
        if name not in self._facts:
            self._facts[name] = measure()
            self._record({"fact": name, "value": self._facts[name]})
        known: T = self._facts[name]
        return known

    def knows(self, name: str) -> bool:
        """Whether ``once`` of this name would come from the journal."""
        return name in self._facts

    def finish(self, report: BlockReport, shard: Shard, seconds: Mapping[str, float]) -> None:
        """Record a block whose shard is on the disk."""
        block = {"block": report.as_json(), "shard": shard._asdict(), "seconds": dict(seconds)}
        self._record(block)
        self._blocks.append(block)
        self.finished += 1

    def keep(self, blocks: int, streams: Mapping[str, Activations]) -> None:
        """Save the streams as they are after ``blocks`` blocks, unless it is too early for that.

        The one before is deleted only when this one is recorded. Of several ranks none knows all
        of the streams, and none saves its own: they go through the finished blocks again.
        """
        if self._ranks.size > 1:
            return
        waited = time.monotonic() - self._saved_at
        if waited < max(_SNAPSHOT_EVERY_S, _SNAPSHOT_COST * self._saving_took):
            return
        started = time.monotonic()
        snapshot: Record = {"snapshot": blocks}
        snapshot["pieces"] = snapshots.save(self._place(snapshot), streams)
        self._journal.append(snapshot)
        if self._snapshot is not None:
            shutil.rmtree(self._place(self._snapshot))
        self._snapshot = snapshot
        self._saved_at = time.monotonic()
        self._saving_took = self._saved_at - started

    def restore(self, streams: Mapping[str, Activations]) -> int:
        """Load the snapshot, and return after how many blocks it was taken; 0 without one."""
        if self._snapshot is None or self._ranks.size > 1:
            return 0
        folder, pieces = self._place(self._snapshot), self._snapshot["pieces"]
        if not snapshots.is_sound(folder, pieces):
            log.warning("%s is not whole; computing the hidden states again", folder.name)
            self.close()
            return 0
        snapshots.load(folder, pieces, streams)
        blocks: int = self._snapshot["snapshot"]
        return blocks

    def close(self) -> None:
        """Free what only unfinished blocks would need; the journal still vouches for the rest."""
        if self._snapshot is not None:
            shutil.rmtree(self._place(self._snapshot), ignore_errors=True)
            self._snapshot = None

    def _record(self, record: Record) -> None:
        if self._ranks.is_main:
            self._journal.append(record)

    def _take_up(self, records: Iterable[Record]) -> list[Record]:
        """Learn what the records say and return them, up to a block whose shard is not whole."""
        sound: list[Record] = []
        for record in records:
            if "fact" in record:
                self._facts[record["fact"]] = record["value"]
            elif "snapshot" in record:
                self._snapshot = record
            elif is_intact(self._out, shard := Shard(**record["shard"])):
                self._blocks.append(record)
            else:
                log.warning("%s is damaged; pruning again from there on", shard.name)
                break
            sound.append(record)
        return sound

    def _drop_unrecorded(self) -> None:
        """Delete what was being written when the earlier run ended, and what came after damage."""
        recorded = {self._out / shard.name for shard in self.shards}
        for path in set(shard_files(self._out)) - recorded:
            path.unlink()
        kept = {self._journal.path} | ({self._place(self._snapshot)} if self._snapshot else set())
        _delete(set(self.folder.iterdir()) - kept)

    def _place(self, snapshot: Record) -> Path:
        return self.folder / f"snapshot-{snapshot['snapshot']}"


def _continues(records: list[Record], fingerprint: dict[str, Any]) -> bool:
    """Whether the journal is of a run with this fingerprint; if of another, say what differs."""
    if not records:
        return False
    earlier = records[0].get("fingerprint", {})
    changed = [name for name, part in fingerprint.items() if earlier.get(name) != part]
    if changed:
        log.warning("starting over: %s changed since the last run", ", ".join(changed))
    return not changed


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
