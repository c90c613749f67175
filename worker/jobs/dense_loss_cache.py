"""The evaluation losses of a dense model, measured once and reused by later jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.pruning.base.known_values import read_value, write_value


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
        stored = None if self.path is None else read_value(self.path)
        return None if stored is None else tuple(stored)

    def write(self, losses: Sequence[float]) -> None:
        """Store the losses; concurrent writes of two jobs do no harm."""
        if self.path is not None:
            write_value(self.path, list(losses))
