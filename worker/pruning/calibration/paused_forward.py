"""A forward that pauses before the layers that it reaches."""

from collections.abc import Callable
from typing import NamedTuple

from greenlet import getcurrent, greenlet
from torch import Tensor


class Stop(NamedTuple):
    """The layer before which a forward pauses.

    Attributes:
        layer: its index.
        inputs: ``[..., in]``, the inputs with which the forward is about to call it.
    """

    layer: int
    inputs: Tensor


class PausedForward:
    """A forward in a greenlet; hooks in it call `pause`.

    Args:
        forward: runs one batch through the block.
    """

    def __init__(self, forward: Callable[[], object]) -> None:
        self._greenlet = greenlet(forward)

    def resume(self) -> Stop | None:
        """Run the forward up to its next stop; return None when it ends."""
        stop: Stop | None = self._greenlet.switch()
        return None if self._greenlet.dead else stop


def pause(layer: int, inputs: Tensor) -> None:
    """Pause the forward that calls this, until it is resumed."""
    parent = getcurrent().parent
    if parent is None:
        raise RuntimeError("only a PausedForward can pause")
    parent.switch(Stop(layer, inputs))
