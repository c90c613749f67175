"""The losses of a model on the evaluation windows, measured as in a sweep."""

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from torch import Tensor

from worker.pruning.model.activations import Activations
from worker.pruning.model.head_loss import TokenLoss, window_losses
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.forward_stream import forward_batches, last_states, open_block_inputs
from worker.recovery.results import RecoveryProgress


@torch.no_grad()
def evaluation_losses(
    model: MetaModel, windows: Tensor, token_loss: TokenLoss, folder: Path
) -> Generator[RecoveryProgress, None, list[float]]:
    """Return the model's mean loss per predicted token of each window.

    Args:
        model: the model.
        windows: ``[windows, tokens]`` token ids, at least one window.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        folder: an existing folder for temporary files.

    Yields:
        The progress after each block.
    """
    block_inputs = open_block_inputs(model)
    batches = forward_batches(windows, model.device)
    with TemporaryDirectory(prefix="activations-", dir=folder) as spill:
        stream = last_states(model, block_inputs, batches, Path(spill))
        states = yield from _progress(stream, len(model.blocks), windows.numel())
        with model.loaded_head():
            return window_losses(model, block_inputs, states, batches, token_loss)


def _progress(
    stream: Generator[int, None, Activations], blocks: int, tokens: int
) -> Generator[RecoveryProgress, None, Activations]:
    """Yield the progress of a forward pass through all blocks; return the last hidden states."""
    started = perf_counter()
    while True:
        try:
            done = next(stream) + 1
        except StopIteration as end:
            states: Activations = end.value
            return states
        share = tokens * done // blocks
        rate = share / (perf_counter() - started)
        yield RecoveryProgress("evaluating", done, blocks, share, tokens_per_second=rate)
