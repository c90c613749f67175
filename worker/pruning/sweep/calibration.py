"""Run calibration batches through a block and prune its linear layers on the way."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from operator import is_
from typing import Any

from greenlet import getcurrent, greenlet
from torch import Tensor, nn

from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.expert_products import OnInputs, observed_products
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.input_moments import InputMoments, Moments
from worker.pruning.sweep.dense_block import Shadow

Prune = Callable[[LinearLayer, Moments], None]
NewMoments = Callable[[], Moments]
Forward = Callable[[int], object]
_Stop = tuple[int, Tensor]  # the layer, and its input


def prune_reference(
    layers: Sequence[LinearLayer],
    forward: Forward,
    batches: int,
    prune: Prune,
    new_moments: NewMoments = InputMoments,
    shadow: Shadow | None = None,
    ranks: Ranks = SINGLE_PROCESS,
) -> None:
    """Collect all inputs with the block still dense, then prune it whole.

    The published protocol; the pruned block has to run once more to give the next one's input.

    Args:
        layers: the block's linear layers.
        forward: runs batch i through the block.
        batches: how many there are.
        prune: prunes one layer by the moments of its inputs.
        new_moments: makes empty moments.
        shadow: brings the dense stream's inputs, which `CrossMoments` take as well.
        ranks: who else has batches; moments are taken over those of all.
    """
    moments = [new_moments() for _ in layers]
    seen, batch = _LastSeen(), 0

    def collect(index: int, inputs: Tensor) -> None:
        known = seen.before([inputs])
        if known is None:
            _count(moments[index], shadow, index, batch, inputs)
        else:
            moments[index] = known
        seen.now([inputs], moments[index])

    with _watched(layers, collect):
        for batch in range(batches):
            forward(batch)
    if shadow is not None:
        shadow.finish()
    for layer, total in zip(layers, _totals(moments, layers, ranks), strict=True):
        prune(layer, total)


def prune_fused(
    layers: Sequence[LinearLayer],
    forward: Forward,
    batches: int,
    prune: Prune,
    new_moments: NewMoments = InputMoments,
    shadow: Shadow | None = None,
    ranks: Ranks = SINGLE_PROCESS,
    probe: Callable[[], object] | None = None,
) -> None:
    """Prune each layer when its true input, from already pruned predecessors, is there.

    One forward of every batch does everything. The batches run in step: each stops before a layer
    until all have arrived there, then the layer is pruned and all go on. So the whole calibration
    set meets at every layer, though only one batch computes at a time and only the states that
    are live at that point are held. Batches that skip a layer, as with experts, do not hold up
    the others. The ranks too agree at each stop on the layer that comes next; one of whose batches
    none has reached it adds nothing.

    A layer whose weight the block's code takes without calling it, as Mamba's step size, is pruned
    first: nothing of its inputs is seen, and all batches shall pass through it as it will be.

    Args:
        probe: runs something small through the block, to see which layers it calls; None where it
            is known to call all but the experts.
        layers, forward, batches, prune, new_moments, shadow, ranks: as in `prune_reference`.
    """
    leader, seen = getcurrent(), _LastSeen()
    pruned = _uncalled(layers, probe) if probe else set()
    for index in sorted(pruned):
        prune(layers[index], new_moments())

    def stop(index: int, inputs: Tensor) -> None:
        if index not in pruned:
            leader.switch((index, inputs))

    with _watched(layers, stop):
        runs = [greenlet(partial(forward, batch)) for batch in range(batches)]
        batch_of = {run: batch for batch, run in enumerate(runs)}
        stops = _next_stops(runs)
        while (turn := ranks.min_of(_first_turn(stops, layers))) < 2 * len(layers):
            index = turn % len(layers)
            arrived = [run for run, stop in stops.items() if stop[0] == index]
            inputs = [stops.pop(run)[1] for run in arrived]
            moments = seen.before(inputs, ranks)
            if moments is None:
                moments = new_moments()
                for run, each in zip(arrived, inputs, strict=True):
                    _count(moments, shadow, index, batch_of[run], each)
                moments = moments.all_reduced(ranks, layers[index])
            seen.now(inputs, moments)
            del inputs
            prune(layers[index], moments)
            pruned.add(index)
            stops |= _next_stops(arrived)
    if shadow is not None:
        shadow.finish()
    for index in sorted(set(range(len(layers))) - pruned):
        prune(layers[index], new_moments())


def _uncalled(layers: Sequence[LinearLayer], probe: Callable[[], object]) -> set[int]:
    """Return which layers a forward does not call, experts aside."""
    called: set[int] = set()
    with _watched(layers, lambda index, _: called.add(index)):
        probe()
    return {i for i, layer in enumerate(layers) if i not in called and not layer.is_routed}


class _LastSeen:
    """Remembers the last inputs, so that layers that share them (q, k, v) share their moments."""

    def __init__(self) -> None:
        self._inputs: Sequence[Tensor] = ()
        self._moments: Moments | None = None

    def before(self, inputs: Sequence[Tensor], ranks: Ranks = SINGLE_PROCESS) -> Moments | None:
        """Return the moments of these very tensors, if every rank saw its own the last time."""
        same = len(inputs) == len(self._inputs) and all(map(is_, inputs, self._inputs))
        return self._moments if ranks.min_of(same) else None

    def now(self, inputs: Sequence[Tensor], moments: Moments) -> None:
        """Remember inputs and their moments."""
        self._inputs, self._moments = inputs, moments


def _next_stops(runs: Sequence[greenlet]) -> dict[greenlet, _Stop]:
    """Let each run go on to its next layer; leave out those that came to their end."""
    stops = {run: run.switch() for run in runs}
    return {run: stop for run, stop in stops.items() if not run.dead}


def _first_turn(stops: dict[greenlet, _Stop], layers: Sequence[LinearLayer]) -> int:
    """Return the index of the layer that comes next, plus their number where it is not routed.

    Batches that wait behind the experts wait for those that are still among them. Where none waits
    it is twice their number.
    """
    count = len(layers)
    turns = (index if layers[index].is_routed else count + index for index, _ in stops.values())
    return min(turns, default=2 * count)


def _totals(
    moments: Sequence[Moments], layers: Sequence[LinearLayer], ranks: Ranks
) -> Iterator[Moments]:
    """Yield each layer's moments over all ranks; layers share them if they do so on each."""
    owners = [next(i for i, one in enumerate(moments) if one is each) for each in moments]
    everywhere = zip(*ranks.all_gather(*owners), strict=True)
    totals: dict[int, Moments] = {}
    for index, (layer, found) in enumerate(zip(layers, everywhere, strict=True)):
        owner = found[0] if len(set(found)) == 1 else index
        if owner not in totals:
            totals[owner] = moments[index].all_reduced(ranks, layer)
        yield totals[owner]


def _count(moments: Moments, shadow: Shadow | None, index: int, batch: int, inputs: Tensor) -> None:
    moments.add(inputs)
    if shadow is not None:
        shadow.pair(moments, index, batch, inputs)


@contextmanager
def _watched(layers: Sequence[LinearLayer], see: OnInputs) -> Iterator[None]:
    """Call ``see(i, inputs)`` before each forward of layer i."""
    with ExitStack() as stack:
        for index, layer in enumerate(layers):
            if layer.expert is None:
                handle = layer.module.register_forward_pre_hook(_module_hook(index, see))
                stack.callback(handle.remove)
        for indices in _stacks(layers):
            first = layers[next(iter(indices.values()))]
            watch = observed_products(
                first.module, first.parameter, first.transposed, _expert_hook(indices, see)
            )
            stack.enter_context(watch)
        yield


def _stacks(layers: Sequence[LinearLayer]) -> Iterable[dict[int, int]]:
    """Return for each 3-D parameter the index of each of its experts."""
    stacks: dict[str, dict[int, int]] = {}
    for index, layer in enumerate(layers):
        if layer.expert is not None:
            stacks.setdefault(layer.weight_name, {})[layer.expert] = index
    return stacks.values()


def _module_hook(index: int, see: OnInputs) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    return lambda _module, args: see(index, args[0])


def _expert_hook(indices: dict[int, int], see: OnInputs) -> OnInputs:
    def hook(expert: int, inputs: Tensor) -> None:
        if expert in indices:
            see(indices[expert], inputs)

    return hook
