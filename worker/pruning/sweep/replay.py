"""Going through a block that is pruned already."""

from worker.pruning.model.block_inputs import Entrance
from worker.pruning.model.meta_model import Skeleton
from worker.pruning.model.streams import Streams
from worker.pruning.model.weights import Weights


def replay(
    skeleton: Skeleton, entrance: Entrance, finished: Weights, index: int, streams: Streams
) -> None:
    """Move the streams on through a finished block, bit for bit as the sweep that pruned it did.

    Args:
        skeleton: the dense model.
        entrance: calls its blocks.
        finished: the model's weights, pruned ones in place of the dense where there are any.
        index: which block.
        streams: its inputs; its outputs afterwards.
    """
    if len(streams.dense) or len(streams.aim):
        with skeleton.filled_block(index, skeleton.read_block(index)) as block:
            for states in (streams.aim, streams.dense):
                entrance.advance(block, index, states)
    with skeleton.filled_block(index, skeleton.read_block(index, finished)) as block:
        for states in (streams.calibration, streams.pruned):
            entrance.advance(block, index, states)
