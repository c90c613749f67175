"""Batches that run through a block in lock step."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor

from worker.pruning.calibration.paused_forward import PausedForward, Stop, pause
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer


class Turn(NamedTuple):
    """The turn of a layer: every batch that will go through the layer is waiting before it.

    Attributes:
        layer: index of the layer.
        batches: the indices of the waiting batches; none on a rank whose batches all skip the
            layer.
        inputs: ``[..., in]``, the layer's inputs in each of these batches.
    """

    layer: int
    batches: list[int]
    inputs: list[Tensor]


class LockStep:
    """Runs all batches through a block, one turn after another.

    Before each layer, a batch waits until all batches that will go through the layer have arrived.
    After the turn of the layer, they continue. If a batch skips a layer, as when an expert gets
    none of the batch's tokens, the other batches do not wait for it. One batch computes at a time,
    and a waiting batch holds only the states that it still needs.

    All ranks take the same turns.

    Args:
        layers: the block's layers; a hook has to call `stop` before each layer runs.
        forward: runs the batch with the given index through the block.
        batches: number of batches of this rank.
        ranks: the ranks that share the batches.
        passed: indices of the layers before which no batch stops.
    """

    def __init__(
        self,
        layers: Sequence[LinearLayer],
        forward: Callable[[int], object],
        batches: int,
        ranks: Ranks,
        passed: Iterable[int] = (),
    ) -> None:
        self._layers, self._ranks, self._passed = layers, ranks, set(passed)
        self._forwards = [PausedForward(partial(forward, batch)) for batch in range(batches)]
        self._stops: dict[int, Stop] = {}  # by batch

    def stop(self, layer: int, inputs: Tensor) -> None:
        """Pause the calling forward before this layer, unless the layer's turn is over."""
        if layer not in self._passed:
            pause(layer, inputs)

    def turns(self) -> Iterator[Turn]:
        """Yield turn after turn until all batches have left the block."""
        self._resume(range(len(self._forwards)))
        while (layer := self._next_layer()) is not None:
            batches = [batch for batch, stop in self._stops.items() if stop.layer == layer]
            yield Turn(layer, batches, [self._stops.pop(batch).inputs for batch in batches])
            self._passed.add(layer)
            self._resume(batches)

    def _resume(self, batches: Iterable[int]) -> None:
        for batch in batches:
            stop = self._forwards[batch].resume()
            if stop is not None:
                self._stops[batch] = stop

    def _next_layer(self) -> int | None:
        """Return the index of the layer whose turn is next; None if no batch waits on any rank.

        Experts come first: a batch that waits at another layer stays there until no batch waits at
        an expert. Among experts, and among other layers, the smallest index comes first.
        """
        count = len(self._layers)
        waiting = (stop.layer for stop in self._stops.values())
        order = (at if self._layers[at].is_routed else count + at for at in waiting)
        first = self._ranks.min_of(min(order, default=2 * count))
        return None if first == 2 * count else first % count
