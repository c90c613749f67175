"""The dense block beside the one that is pruned, on the dense model's own hidden states."""

from collections.abc import Callable, Sequence
from functools import partial

from greenlet import getcurrent, greenlet
from torch import Tensor, nn

from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.input_moments import Moments


class Shadow:
    """Brings to each layer what the dense model would, of the same tokens.

    The forwards of the batches run in greenlets, each only as far as its inputs are asked for, so
    that no more is held than in `calibration.prune_fused` itself.

    Args:
        layers: the layers of a copy of the block, in the order of those that are pruned.
        forward: runs batch i of the dense stream through that copy.
        batches: how many there are.
    """

    def __init__(
        self, layers: Sequence[LinearLayer], forward: Callable[[int], object], batches: int
    ) -> None:
        self._leader = getcurrent()
        self._runs = [greenlet(partial(forward, batch)) for batch in range(batches)]
        self._stops: list[tuple[int, Tensor] | None] = [(-1, Tensor())] * batches
        self._routed = [layer.is_routed for layer in layers]
        for index, layer in enumerate(layers):
            if not layer.is_routed:
                layer.module.register_forward_pre_hook(self._hook(index))

    def pair(self, moments: Moments, index: int, batch: int, inputs: Tensor) -> None:
        """Count the pruned stream's inputs together with the dense one's.

        Experts choose their tokens, in each stream others: there nothing is paired.

        Args:
            moments: those of layer ``index``.
            index: the layer.
            batch: the batch that arrived there; its layers come in the forward's order.
            inputs: ``[..., in]``, what it brought.
        """
        if not isinstance(moments, CrossMoments):
            raise TypeError("the dense stream's inputs need CrossMoments")
        dense = None if self._routed[index] else self._inputs(batch, index)
        if dense is not None:
            moments.add_dense(inputs, dense)

    def finish(self) -> None:
        """Run every batch to the end of the block."""
        for batch in range(len(self._runs)):
            while self._stops[batch] is not None:
                self._go_on(batch)

    def _inputs(self, batch: int, index: int) -> Tensor | None:
        """Return what the dense stream brings to a layer, None where it passes it by."""
        while (stop := self._stops[batch]) is not None and stop[0] != index:
            self._go_on(batch)
        return None if stop is None else stop[1]

    def _go_on(self, batch: int) -> None:
        stop = self._runs[batch].switch()
        self._stops[batch] = None if self._runs[batch].dead else stop

    def _hook(self, index: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def stop(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
            self._leader.switch((index, args[0]))

        return stop
