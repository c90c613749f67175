"""A forward that pauses before the layers that it reaches."""

from collections.abc import Callable
from typing import NamedTuple

from greenlet import getcurrent, greenlet
from torch import Tensor


class Stop(NamedTuple):
    """The layer before which a forward pauses.

    Attributes:
        layer: index of the layer.
        inputs: ``[..., in]``, the inputs with which the forward is about to call the layer.
    """

    layer: int
    inputs: Tensor


class PausedForward:
    """A forward that runs in a greenlet; its hooks call `pause` to suspend it.

    Args:
        forward: runs one batch through the block.
    """

    def __init__(self, forward: Callable[[], object]) -> None:
        self._greenlet = greenlet(forward)

    def resume(self) -> Stop | None:
        """Run the forward up to its next stop, and return the stop; None if the forward ends."""
        stop: Stop | None = self._greenlet.switch()
        return None if self._greenlet.dead else stop


def pause(layer: int, inputs: Tensor) -> None:
    """Pause the calling forward until it is resumed."""
    parent = getcurrent().parent
    if parent is None:
        raise RuntimeError("only a PausedForward can pause")
    parent.switch(Stop(layer, inputs))
