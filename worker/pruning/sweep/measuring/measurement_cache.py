"""Measurements of a dense model, cached for later runs, such as the other runs of a grid search."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from worker.pruning.base.durable_files import move_into_place
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.sweep.fingerprint import json_digest
from worker.pruning.sweep.recipe.measurement import Measurement

T = TypeVar("T")


class MeasurementCache:
    """A cache of measurements, each in a small file.

    Args:
        folder: the folder of the files; None disables the cache. Deleting the files is safe: the
            next run measures again.
        ranks: the ranks that measure together; rank 0 reads and writes the files.
    """

    def __init__(self, folder: Path | None, ranks: Ranks) -> None:
        self._folder, self._ranks = folder, ranks

    def once(self, basis: Mapping[str, Any], measure: Callable[[], T]) -> T:
        """Return the cached measurement for this basis, or measure now and cache the result.

        Args:
            basis: everything that the measurement depends on, ready for JSON.
            measure: called if the cache has no result. Its result must be the same after conversion
                to JSON and back.
        """
        known: T | None = self.read(basis)
        if known is not None:
            return known
        measured = measure()
        self.write(basis, measured)
        return measured

    def read(self, basis: Mapping[str, Any]) -> Any:
        """Return the cached measurement for this basis; None if there is none."""
        if (path := self._path(basis)) is None:
            return None
        return self._ranks.run_on_main(lambda: _read(path))

    def write(self, basis: Mapping[str, Any], measured: object) -> None:
        """Cache a measurement for this basis."""
        if (path := self._path(basis)) is not None:
            self._ranks.run_on_main(lambda: _write(path, measured))

    def _path(self, basis: Mapping[str, Any]) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{json_digest(basis)}.json"


def measurement_basis(
    measurement: Measurement, given: Mapping[str, Any], batch_tokens: int, ranks: Ranks
) -> dict[str, Any]:
    """Return everything that a measurement before a sweep depends on, ready for JSON.

    Args:
        measurement: what is measured.
        given: the fingerprint of the sweep.
        batch_tokens: the most tokens in a batch, which change how the result is rounded.
        ranks: the ranks that measure together.
    """
    left_out = {"recipe", "evaluation"}
    if measurement.of_block is not None:  # of the dense model, whatever the sweep starts from
        left_out.add("start")
    shared = {name: part for name, part in given.items() if name not in left_out}
    run = {"batch": batch_tokens, "ranks": ranks.size}
    return shared | run | {"measurement": measurement.basis}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _write(path: Path, measured: object) -> None:
    """Write a file atomically, so that two runs may write it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps(measured))
    move_into_place(written, path)
