"""Going through a block that is pruned already."""

from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.model.weights import Weights


def replay(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    finished: Weights,
    index: int,
    streams: Streams,
) -> None:
    """Move the streams on through a finished block, bit for bit as the sweep that pruned it did.

    Args:
        meta_model: the dense model.
        block_inputs: calls its blocks.
        finished: the model's weights, pruned ones in place of the dense where there are any.
        index: which block.
        streams: its inputs; its outputs afterwards.
    """
    if len(streams.dense_evaluation) or len(streams.dense_calibration):
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            for states in (streams.dense_calibration, streams.dense_evaluation):
                block_inputs.advance(block, index, states)
    with meta_model.loaded_block(index, meta_model.read_block(index, finished)) as block:
        for states in (streams.calibration, streams.evaluation):
            block_inputs.advance(block, index, states)
