"""The loss of a dense model, measured once and known to every later job."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from worker.pruning.base.durable_files import move_into_place


@dataclass(frozen=True)
class Baseline:
    """A small file that holds one loss.

    Attributes:
        path: named by all that the loss depends on. Whoever deletes it loses time, and no job.
    """

    path: Path

    def loss(self) -> float | None:
        """Return the loss in nats per token, None where nobody measured it."""
        try:
            return float(json.loads(self.path.read_text())["loss"])
        except FileNotFoundError:
            return None

    def keep(self, loss: float) -> None:
        """Let later jobs know the loss; two jobs that measured it at once do no harm."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"loss": loss}))
        move_into_place(written, self.path)
