"""Calibration of one block: measures the inputs of its layers, and has each layer pruned."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Generic

from torch import Tensor

from worker.pruning.calibration.collectors import Collector, M
from worker.pruning.calibration.layer_hooks import hooked
from worker.pruning.calibration.lock_step import LockStep
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.linear_layers import LinearLayer


@dataclass(frozen=True)
class BlockCalibration(Generic[M]):
    """The calibration of one block.

    Attributes:
        layers: the layers whose inputs are measured.
        forward: runs the batch with the given index through the block.
        batches: number of batches of this rank.
        prune_layer: called once for each layer, with the moments of the layer's inputs; may change
            the layer.
        collector: gathers the moments.
        ranks: the ranks that share the batches; moments cover the batches of all ranks.
    """

    layers: Sequence[LinearLayer]
    forward: Callable[[int], object]
    batches: int
    prune_layer: Callable[[LinearLayer, M], None]
    collector: Collector[M]
    ranks: Ranks = SINGLE_PROCESS

    def run_reference(self) -> None:
        """Run the dense block to measure the inputs of all layers, then prune all layers.

        The code published with the pruning methods does the same. If the caller needs the pruned
        block's outputs, it has to run the block once more.
        """
        moments = [self.collector.new_moments() for _ in self.layers]
        latest, batch = _LatestInputs[M](), 0

        def collect(layer: int, inputs: Tensor) -> None:
            known = latest.moments_of([inputs])
            if known is None:
                self.collector.add(moments[layer], layer, batch, inputs)
            else:
                moments[layer] = known
            latest.remember([inputs], moments[layer])

        with hooked(self.layers, collect):
            for batch in range(self.batches):
                self.forward(batch)
        self.collector.finish()
        for linear, total in zip(self.layers, self._totals(moments), strict=True):
            self.prune_layer(linear, total)

    def run_fused(self, probe: Callable[[], object] | None = None) -> None:
        """Prune all layers during one forward of each batch; no layer runs before it is pruned.

        The batches run in lock step: before each layer they wait for each other, then the layer is
        pruned, and they continue. A layer that no batch reaches is pruned at the end, with empty
        moments.

        Some code uses the weight of a layer without calling the layer, as Mamba does for its step
        size. Such a layer is pruned first, with empty moments, because its inputs cannot be
        measured.

        Args:
            probe: runs a small batch through the block, so that the layers that the block does not
                call are found; None if the block is known to call all layers other than experts.
        """
        pruned = self._uncalled(probe) if probe else set()
        for layer in sorted(pruned):
            self.prune_layer(self.layers[layer], self.collector.new_moments())
        run = LockStep(self.layers, self.forward, self.batches, self.ranks, pruned)
        latest = _LatestInputs[M]()
        with hooked(self.layers, run.stop):
            for turn in run.turns():
                moments = latest.moments_of(turn.inputs, self.ranks)
                if moments is None:
                    own = self.collector.new_moments()
                    for batch, inputs in zip(turn.batches, turn.inputs, strict=True):
                        self.collector.add(own, turn.layer, batch, inputs)
                    moments = own.all_reduced(self.ranks, self.layers[turn.layer])
                latest.remember(turn.inputs, moments)
                self.prune_layer(self.layers[turn.layer], moments)
                pruned.add(turn.layer)
        self.collector.finish()
        for layer in sorted(set(range(len(self.layers))) - pruned):
            self.prune_layer(self.layers[layer], self.collector.new_moments())

    def _uncalled(self, probe: Callable[[], object]) -> set[int]:
        """Return the indices of the layers, other than experts, that ``probe`` does not call."""
        called: set[int] = set()
        with hooked(self.layers, lambda layer, _: called.add(layer)):
            probe()
        layers = enumerate(self.layers)
        return {at for at, layer in layers if at not in called and not layer.is_routed}

    def _totals(self, moments: Sequence[M]) -> Iterator[M]:
        """Yield each layer's moments over all ranks.

        Layers that share their moments on every rank share the result.
        """
        owners = [
            next(at for at, candidate in enumerate(moments) if candidate is each)
            for each in moments
        ]
        everywhere = zip(*self.ranks.all_gather(*owners), strict=True)
        totals: dict[int, M] = {}
        for index, (layer, of_ranks) in enumerate(zip(self.layers, everywhere, strict=True)):
            owner = of_ranks[0] if len(set(of_ranks)) == 1 else index
            if owner not in totals:
                totals[owner] = moments[index].all_reduced(self.ranks, layer)
            yield totals[owner]


class _LatestInputs(Generic[M]):
    """The latest inputs and their moments, which layers with the same inputs (q, k, v) share."""

    def __init__(self) -> None:
        self._inputs: Sequence[Tensor] = ()
        self._moments: M | None = None

    def moments_of(self, inputs: Sequence[Tensor], ranks: Ranks = SINGLE_PROCESS) -> M | None:
        """Return the moments that were remembered last if they are those of ``inputs``, else None.

        They are those of ``inputs`` if, on every rank, ``inputs`` are the very tensor objects that
        were remembered last (compared with ``is``).
        """
        same = len(inputs) == len(self._inputs) and all(map(is_, inputs, self._inputs))
        return self._moments if ranks.min_of(same) else None

    def remember(self, inputs: Sequence[Tensor], moments: M) -> None:
        """Remember inputs and their moments."""
        self._inputs, self._moments = inputs, moments
