"""The evaluation losses of a dense model, measured once and reused by later jobs."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.pruning.base.durable_files import move_into_place


@dataclass(frozen=True)
class CachedDenseLosses:
    """The stored losses of a dense model, one for each evaluation window, in nats per token.

    Attributes:
        path: a small file, named after a digest of everything that the losses depend on. The file
            can be deleted at any time: a later job then measures them again. If the path is None,
            as for ``zpruner prune``, nothing is read or stored.
    """

    path: Path | None

    def read(self) -> tuple[float, ...] | None:
        """Return the stored losses; None if there are none."""
        if self.path is None:
            return None
        try:
            stored: dict[str, list[float]] = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        # Before there were intervals, only the mean was stored.
        return tuple(stored["losses"]) if "losses" in stored else None

    def write(self, losses: Sequence[float]) -> None:
        """Store the losses; concurrent writes of two jobs do no harm."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"losses": losses}))
        move_into_place(written, self.path)
