"""The dense copy of a block, which runs on the dense model's hidden states."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from worker.pruning.calibration.paused_forward import PausedForward, Stop, pause
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.cross_moments import CrossMoments

_START = Stop(-1, Tensor())


class DenseBlock:
    """A collector that pairs a layer's inputs in the pruned model with those in the dense model.

    Each batch runs through the dense copy only up to the layer whose inputs are needed, and waits
    there. `finish` runs all batches to the end of the block.

    Args:
        layers: the layers of the copy, in the same order as the layers that are pruned.
        forward: runs the batch with the given index through the copy, on the dense model's hidden
            states.
        batches: number of batches.
    """

    def __init__(
        self, layers: Sequence[LinearLayer], forward: Callable[[int], object], batches: int
    ) -> None:
        self._forwards = [PausedForward(partial(forward, batch)) for batch in range(batches)]
        self._stops: list[Stop | None] = [_START] * batches
        self._routed = [layer.is_routed for layer in layers]
        self._hooks = [
            layer.module.register_forward_pre_hook(
                lambda _module, args, index=index: pause(index, args[0])
            )
            for index, layer in enumerate(layers)
            if not layer.is_routed
        ]

    def new_moments(self) -> CrossMoments:
        """Return empty moments."""
        return CrossMoments()

    def add(self, moments: CrossMoments, layer: int, batch: int, inputs: Tensor) -> None:
        """Add a layer's inputs ``[..., in]`` in one batch, paired with those in the dense model.

        Inputs of experts are not paired, because the two models may route different tokens to an
        expert.
        """
        moments.add(inputs)
        dense = None if self._routed[layer] else self._inputs(batch, layer)
        if dense is not None:
            moments.add_dense(inputs, dense)

    def finish(self) -> None:
        """Run every batch to the end of the block, and remove the hooks."""
        for batch in range(len(self._forwards)):
            while self._stops[batch] is not None:
                self._resume(batch)
        for hook in self._hooks:
            hook.remove()

    def _inputs(self, batch: int, layer: int) -> Tensor | None:
        """Return a layer's inputs in the dense model; None if the batch skips that layer."""
        while (stop := self._stops[batch]) is not None and stop.layer != layer:
            self._resume(batch)
        return None if stop is None else stop.inputs

    def _resume(self, batch: int) -> None:
        self._stops[batch] = self._forwards[batch].resume()
