"""The evaluation loss of a dense model, measured once and reused by later jobs."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from worker.pruning.base.durable_files import move_into_place


@dataclass(frozen=True)
class CachedDenseLoss:
    """The stored loss of a dense model, in nats per token.

    Attributes:
        path: a small file, named after a digest of everything that the loss depends on. The file
            can be deleted at any time: a later job then measures the loss again. If the path is
            None, as for ``zpruner prune``, no loss is read or stored.
    """

    path: Path | None

    def read(self) -> float | None:
        """Return the stored loss; None if there is none."""
        if self.path is None:
            return None
        try:
            return float(json.loads(self.path.read_text())["loss"])
        except FileNotFoundError:
            return None

    def write(self, loss: float) -> None:
        """Store the loss; concurrent writes of two jobs do no harm."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"loss": loss}))
        move_into_place(written, self.path)
