"""A block whose layers are changed, with the calibration windows that run through it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import Collector, M
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams


@dataclass(frozen=True)
class Calibration:
    """A model, and the calibration windows that run through its blocks.

    Attributes:
        block_inputs: calls its blocks.
        ranks: the ranks that share the windows. Rank 0 changes layers; the others copy its weights.
        windows: token ids ``[windows, tokens]`` of all ranks' windows.
        is_fused: whether each layer's inputs come from layers that are already changed.
    """

    meta_model: MetaModel
    block_inputs: BlockInputs
    ranks: Ranks
    windows: Tensor
    is_fused: bool


@dataclass(frozen=True)
class CalibratedBlock:
    """A block with its weights in memory, and the hidden states that run through it.

    Attributes:
        calibration: runs the windows.
        index: index of the block.
        block: the block with the weights that are changed, in place.
        stored: its parameters, in their stored dtype; rank 0 changes them in place, too.
        streams: the inputs of the block.
    """

    calibration: Calibration
    index: int
    block: nn.Module
    stored: dict[str, Tensor]
    streams: Streams

    @property
    def name(self) -> str:
        """The dotted path of the block in the model."""
        return self.calibration.meta_model.block_name(self.index)

    def advance(self) -> None:
        """Replace the block's inputs by its outputs, for the calibration windows."""
        inputs = self.calibration.block_inputs
        inputs.advance(self.block, self.index, self.streams.calibration)

    def run_sample(self) -> None:
        """Run a sample of the windows through the block."""
        self.calibration.block_inputs.run_sample(self.block, self.index)

    def change_layers(
        self,
        layers: Sequence[LinearLayer],
        collector: Collector[M],
        change: Callable[[LinearLayer, M], None],
        *,
        advances: bool,
    ) -> None:
        """Have rank 0 change each of the block's ``layers``, given the moments of its inputs.

        If ``advances``, the block's inputs are replaced by the changed block's outputs.
        """
        ranks, states = self.calibration.ranks, self.streams.calibration

        def call(batch: int) -> Tensor:
            return self.calibration.block_inputs.call(self.block, self.index, states[batch])

        def advance(batch: int) -> None:
            states[batch] = call(batch)

        def change_everywhere(layer: LinearLayer, moments: M) -> None:
            self.change_layer(layer, partial(change, layer, moments))

        is_fused = self.calibration.is_fused
        forward = advance if advances and is_fused else call
        run = BlockCalibration(layers, forward, len(states), change_everywhere, collector, ranks)
        if is_fused:
            run.run_fused(self.run_sample)
            return
        run.run_reference()
        if advances:
            self.advance()

    def change_as_dense(
        self,
        layers: Sequence[LinearLayer],
        collector: Collector[M],
        change: Callable[[LinearLayer, M], None],
    ) -> None:
        """Change layers as `change_layers` does, given the moments of the dense model's inputs.

        The block still has its dense weights. Its inputs in the dense model are replaced by its
        outputs.
        """
        inputs, states = self.calibration.block_inputs, self.streams.dense_calibration

        def advance(batch: int) -> None:
            states[batch] = inputs.call(self.block, self.index, states[batch])

        def change_everywhere(layer: LinearLayer, moments: M) -> None:
            self.change_layer(layer, partial(change, layer, moments))

        parts = (change_everywhere, collector, self.calibration.ranks)
        BlockCalibration(layers, advance, len(states), *parts).run_reference()

    def change_layer(self, layer: LinearLayer, change: Callable[[], None]) -> None:
        """Have rank 0 change a layer; the other ranks copy its weight."""
        ranks = self.calibration.ranks
        if ranks.is_main:
            change()
        ranks.broadcast(layer.oriented(layer.weight))
