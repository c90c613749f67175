"""Running windows through a model with one block in memory at a time."""

from collections.abc import Generator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from worker.pruning.base.memory import trim_heap
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.planning.sizes import FORWARD_TOKENS


def open_block_inputs(meta_model: MetaModel) -> BlockInputs:
    """Return the `BlockInputs` that call a model's blocks.

    Raises:
        UnsupportedModelError: the model cannot be run block by block.
    """
    block_inputs = BlockInputs(meta_model)
    with torch.no_grad(), meta_model.loaded_embeddings():
        block_inputs.detect_output_format()
    return block_inputs


def forward_batches(windows: Tensor, device: torch.device) -> list[Tensor]:
    """Split token ids ``[windows, tokens]`` into batches for forward passes."""
    return list(torch.split(windows, max(1, FORWARD_TOKENS[device.type] // windows.shape[1])))


@torch.no_grad()
def last_states(
    meta_model: MetaModel, block_inputs: BlockInputs, batches: Sequence[Tensor], spill: Path
) -> Generator[int, None, Activations]:
    """Run batches through all blocks.

    Args:
        meta_model: the model.
        block_inputs: calls the model's blocks.
        batches: token ids, each ``[batch, tokens]``.
        spill: an empty folder for the hidden states.

    Yields:
        The index of each block that has been run.

    Returns:
        The hidden states ``[batch, tokens, hidden]`` after the last block.
    """
    states = Activations(spill)
    with meta_model.loaded_embeddings():
        block_inputs.embed(batches, states.append)
    for index in range(len(meta_model.blocks)):
        if index + 1 < len(meta_model.blocks):
            meta_model.read_ahead(index + 1)
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            block_inputs.advance(block, index, states)
        trim_heap()
        yield index
    return states
