"""The check that units are independent of each other, made by running a block on two tokens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.calibration.layer_hooks import hooked
from worker.pruning.structure.units import Slices, Units


def check_independent(block: nn.Module, units: Sequence[Units], run: Callable[[], object]) -> None:
    """Check that removing a unit changes no input of its reader but the unit's own features.

    The units are found from names and shapes, which could be misread for a new family. So the
    weights that compute every second unit are replaced by NaN, and the block is run: exactly the
    features of these units have to become NaN. The weights are restored afterwards.

    Args:
        block: the block with its weights.
        units: the units of its modules.
        run: runs the block on a few tokens.

    Raises:
        UnsupportedModelError: other features become NaN, or features of these units do not.
    """
    for together in _by_parameters(units):
        if wrong := _dependent(block, together, run):
            raise UnsupportedModelError(
                f"the inputs of {wrong[0]} are not computed feature by feature; set method to "
                "depth, or to one that zeroes weights, such as wanda"
            )


def _dependent(block: nn.Module, units: Sequence[Units], run: Callable[[], object]) -> list[str]:
    """Return the names of the units that are not independent."""
    wrong: list[str] = []

    def compare(index: int, inputs: Tensor) -> None:
        expected = torch.zeros(inputs.shape[-1], dtype=torch.bool)
        expected[units[index].features(_tested(units[index]))] = True
        if not torch.equal(inputs.isnan().flatten(0, -2).any(0).cpu(), expected):
            wrong.append(units[index].name)

    with _replaced_by_nan(block, units), hooked([one.reader for one in units], compare):
        run()
    return wrong


def _by_parameters(units: Sequence[Units]) -> list[list[Units]]:
    """Return the units in lists whose members, such as experts, share their parameters."""
    lists: dict[str, list[Units]] = {}
    for one in units:
        lists.setdefault(one.reader.weight_name, []).append(one)
    return list(lists.values())


def _tested(units: Units) -> Tensor:
    return torch.arange(0, units.count, 2)


@contextmanager
def _replaced_by_nan(block: nn.Module, units: Sequence[Units]) -> Iterator[None]:
    """Replace the weights that compute the tested units for the ``with`` body."""
    saved: list[tuple[Slices, Tensor, Tensor, Tensor]] = []
    for one in units:
        for written in one.slices[1:]:
            part = written.part(block.get_parameter(written.parameter))
            places = written.places[_tested(one)].flatten().to(part.device)
            saved.append((written, part, places, part.index_select(written.dim, places)))
            part.index_fill_(written.dim, places, torch.nan)
    try:
        yield
    finally:
        for written, part, places, values in saved:
            part.index_copy_(written.dim, places, values)
