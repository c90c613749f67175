"""The replay of a block that an earlier run has pruned."""

from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.model.weights import Weights


def replay(
    meta_model: MetaModel,
    pruned: MetaModel,
    block_inputs: BlockInputs,
    finished: Weights,
    index: int,
    streams: Streams,
) -> None:
    """Run the streams through a finished block, bit for bit as the run that pruned it did.

    Args:
        meta_model: the dense model.
        pruned: the model whose modules the finished blocks are run in.
        block_inputs: calls the model's blocks.
        finished: the model's weights, in which the finished blocks are pruned.
        index: index of the block.
        streams: the block's inputs, which are replaced by its outputs.
    """
    if len(streams.dense_evaluation) or len(streams.dense_calibration):
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            for states in (streams.dense_calibration, streams.dense_evaluation):
                block_inputs.advance(block, index, states)
    with pruned.loaded_block(index, pruned.read_block(index, finished)) as block:
        for states in (streams.calibration, streams.evaluation):
            block_inputs.advance(block, index, states)
