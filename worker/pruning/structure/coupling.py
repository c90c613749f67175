"""The check that units are independent of each other, made by running a block on two tokens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.calibration.layer_hooks import hooked
from worker.pruning.structure.units import Slices, Units

_FACTOR = -64.0
"""By what the weights of tested units are multiplied: much, so that a norm over units shows it."""


def check_independent(block: nn.Module, units: Sequence[Units], run: Callable[[], object]) -> None:
    """Check that removing a unit changes no input of its reader but the unit's own features.

    The units are found from names and shapes, which could be misread for a new family. So the
    weights that compute every second unit are changed, and the block is run. If they become NaN,
    exactly the features of these units have to become NaN. If they become larger, no other feature
    may change: this also shows a coupling of the scores of an attention, in which NaN can be lost.
    The weights are restored afterwards.

    Args:
        block: the block with its weights.
        units: the units of its modules.
        run: runs the block on a few tokens.

    Raises:
        UnsupportedModelError: other features change, or features of these units do not become NaN.
    """
    for together in _by_parameters(units):
        wrong = _dependent(block, together, run) or _coupled(block, together, run)
        if wrong is not None:
            raise UnsupportedModelError(
                f"the inputs of {wrong} are not computed feature by feature",
                "set method to depth, or to one that zeroes weights, such as wanda",
            )


def _dependent(block: nn.Module, units: Sequence[Units], run: Callable[[], object]) -> str | None:
    """Return the name of units that are not those whose features become NaN; None if all are."""
    wrong: list[str] = []

    def compare(index: int, inputs: Tensor) -> None:
        is_nan = inputs.isnan().flatten(0, -2).any(0).cpu()
        if not torch.equal(is_nan, _is_tested(units[index], inputs)):
            wrong.append(units[index].name)

    with _changed(block, units, torch.nan), hooked([group.reader for group in units], compare):
        run()
    return wrong[0] if wrong else None


def _coupled(block: nn.Module, units: Sequence[Units], run: Callable[[], object]) -> str | None:
    """Return the name of units whose features depend on other units; None if none do."""
    before = _untested_inputs(units, run)
    with _changed(block, units, _FACTOR):
        after = _untested_inputs(units, run)
    names = (units[index].name for index in before if not _same(before[index], after.get(index)))
    return next(names, None)


def _untested_inputs(units: Sequence[Units], run: Callable[[], object]) -> dict[int, list[Tensor]]:
    """Run the block; return what the readers get of units that are not tested, by their index."""
    untested: dict[int, list[Tensor]] = {}

    def keep(index: int, inputs: Tensor) -> None:
        others = ~_is_tested(units[index], inputs)
        untested.setdefault(index, []).append(inputs[..., others.to(inputs.device)].clone())

    with hooked([group.reader for group in units], keep):
        run()
    return untested


def _same(before: Sequence[Tensor], after: Sequence[Tensor] | None) -> bool:
    return after is not None and len(before) == len(after) and all(map(torch.equal, before, after))


def _is_tested(units: Units, inputs: Tensor) -> Tensor:
    """Return which of the reader's ``inputs [..., n]`` are of tested units, ``[n]`` bool."""
    tested = torch.zeros(inputs.shape[-1], dtype=torch.bool)
    tested[units.features(_tested(units))] = True
    return tested


def _by_parameters(units: Sequence[Units]) -> list[list[Units]]:
    """Return the units in lists whose members, such as experts, share their parameters."""
    lists: dict[str, list[Units]] = {}
    for group in units:
        lists.setdefault(group.reader.weight_name, []).append(group)
    return list(lists.values())


def _tested(units: Units) -> Tensor:
    return torch.arange(0, units.count, 2)


@contextmanager
def _changed(block: nn.Module, units: Sequence[Units], factor: float) -> Iterator[None]:
    """Multiply the weights that compute the tested units, for the ``with`` body."""
    saved: list[tuple[Slices, Tensor, Tensor, Tensor]] = []
    for group in units:
        for written in group.slices[1:]:
            part = written.part(block.get_parameter(written.parameter))
            places = written.places[_tested(group)].flatten().to(part.device)
            values = part.index_select(written.dim, places)
            saved.append((written, part, places, values))
            part.index_copy_(written.dim, places, values * factor)
    try:
        yield
    finally:
        for written, part, places, values in saved:
            part.index_copy_(written.dim, places, values)
