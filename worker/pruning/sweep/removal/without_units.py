"""Running a block without some of its units."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from worker.pruning.structure.units import Slices, Units


@contextmanager
def without_units(
    block: nn.Module, units: Sequence[Units], removed: Mapping[str, Tensor]
) -> Iterator[None]:
    """Run the ``with`` body without the removed units of a loaded block.

    The weights of the layers that read these units are zero meanwhile, so that the units have no
    effect, as if their activations were zero.

    Args:
        block: the block with its weights.
        units: the units of its modules.
        removed: the indices ``[n]`` int64 of the removed units, by the name of the units; modules
            without an entry keep all.
    """
    saved: list[tuple[Slices, Tensor, Tensor, Tensor]] = []
    for group in units:
        if group.name in removed:
            columns = group.slices[0]
            part = columns.part(block.get_parameter(columns.parameter))
            places = columns.places[removed[group.name]].flatten().to(part.device)
            saved.append((columns, part, places, part.index_select(columns.dim, places)))
            part.index_fill_(columns.dim, places, 0)
    try:
        yield
    finally:
        for columns, part, places, values in saved:
            part.index_copy_(columns.dim, places, values)
