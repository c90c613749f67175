"""Measurements of a dense model, cached for later runs, such as the other runs of a grid search."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.pruning.base.known_values import read_value, write_value
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.sweep.fingerprint import json_digest


class MeasurementCache:
    """A cache of measurements, each in a small file.

    Args:
        folder: the folder of the files; None disables the cache. Deleting the files is safe: the
            next run measures again.
        ranks: the ranks that measure together; rank 0 reads and writes the files.
    """

    def __init__(self, folder: Path | None, ranks: Ranks) -> None:
        self._folder, self._ranks = folder, ranks

    def read(self, basis: Mapping[str, Any]) -> Any:
        """Return the cached measurement; None if there is none.

        ``basis`` is everything that the measurement depends on, ready for JSON.
        """
        if (path := self._path(basis)) is None:
            return None
        return self._ranks.run_on_main(lambda: read_value(path))

    def write(self, basis: Mapping[str, Any], measured: object) -> None:
        """Cache a measurement, which must be the same after conversion to JSON and back."""
        if (path := self._path(basis)) is not None:
            self._ranks.run_on_main(lambda: write_value(path, measured))

    def _path(self, basis: Mapping[str, Any]) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{json_digest(basis)}.json"


def measurement_basis(
    own: list[Any],
    given: Mapping[str, Any],
    batch_tokens: int,
    ranks: Ranks,
    *,
    is_of_dense: bool = False,
) -> dict[str, Any]:
    """Return everything that a measurement before a sweep depends on, ready for JSON.

    Args:
        own: what it depends on besides the model and the windows, with a name; ready for JSON.
        given: the fingerprint of the sweep.
        batch_tokens: the most tokens in a batch, which change how the result is rounded.
        ranks: the ranks that measure together.
        is_of_dense: whether the dense model is measured, whatever the sweep starts from.
    """
    left_out = {"recipe", "evaluation"}
    if is_of_dense:
        left_out.add("start")
    shared = {name: part for name, part in given.items() if name not in left_out}
    run = {"batch": batch_tokens, "ranks": ranks.size}
    return shared | run | {"measurement": own}
