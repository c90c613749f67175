"""From the last block to the loss: the model's own norm and head, in pieces."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.blocks import Stub, stubbed
from worker.pruning.model.meta_model import MetaModel

TokenLoss = Callable[[Tensor, Tensor], Tensor]
_LOGITS_BYTES = 16 << 20


def mean_loss(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    states: Iterable[Tensor],
    batches: Iterable[Tensor],
    token_loss: TokenLoss,
    ranks: Ranks = SINGLE_PROCESS,
) -> float:
    """Return the mean loss per predicted token, each window on its own.

    Norm and head treat every token alone, so any run of tokens can go through them as one
    sequence; pieces keep the logits small whatever the vocabulary.

    Args:
        meta_model: the model, with its exit filled.
        block_inputs: knows the form in which blocks answer.
        states: last hidden states ``[batch, tokens, hidden]``.
        batches: the token ids ``[batch, tokens]`` they came from.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]`` losses.
        ranks: the mean is taken over the windows of all.
    """
    total, count = torch.zeros((), dtype=torch.float64), 0
    for hidden, targets in _pieces(meta_model, states, batches):
        logits = _logits(meta_model, block_inputs, hidden)
        total += token_loss(logits, targets.to(logits.device)).double().sum().cpu()
        count += len(targets)
    return float(ranks.all_reduce(total) / ranks.sum_of(count))


def loss_gradient(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    hidden: Tensor,
    ids: Tensor,
    token_loss: TokenLoss,
    scale: float,
) -> Tensor:
    """Return the gradient of one window's mean loss in its last hidden state, times ``scale``.

    Args:
        meta_model: the model, with its exit filled.
        block_inputs: knows the form in which blocks answer.
        hidden: ``[1, tokens, hidden]``.
        ids: the token ids ``[1, tokens]`` it came from.
        token_loss: as in `mean_loss`.
        scale: keeps what is small above the least number of fp16.

    Returns:
        ``[1, tokens, hidden]`` in the dtype of ``hidden``; zero at the last token.
    """
    gradient, start = torch.zeros_like(hidden, device=meta_model.device), 0
    for piece, targets in _pieces(meta_model, [hidden], [ids]):
        given = piece.to(meta_model.device, copy=True).requires_grad_()
        with torch.enable_grad():
            logits = _logits(meta_model, block_inputs, given)
            losses = token_loss(logits, targets.to(logits.device))
            loss = losses.sum() * (scale / (ids.shape[1] - 1))
        (own,) = torch.autograd.grad(loss, given)
        gradient[0, start : start + len(piece)] = own
        start += len(piece)
    return gradient


def _pieces(
    meta_model: MetaModel, states: Iterable[Tensor], batches: Iterable[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    vocabulary = meta_model.model.config.get_text_config().vocab_size
    for hidden, ids in zip(states, batches, strict=True):
        before, targets = hidden[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
        length = max(1, min(ids.shape[1], _LOGITS_BYTES // (4 * vocabulary)))
        yield from zip(torch.split(before, length), torch.split(targets, length), strict=True)


def _logits(meta_model: MetaModel, block_inputs: BlockInputs, hidden: Tensor) -> Tensor:
    """Return the logits ``[n, vocabulary]`` of last hidden states ``[n, hidden]``."""
    given = hidden.to(meta_model.device)[None]  # [1, n, hidden]

    def stub(index: int) -> Stub:
        def give(*_: Any, **__: Any) -> Any:
            return block_inputs.answer(given)

        return give

    width = meta_model.model.get_input_embeddings().embedding_dim
    unused = torch.zeros(1, len(hidden), width, dtype=given.dtype, device=given.device)
    with stubbed(meta_model.blocks, stub):
        logits: Tensor = meta_model.model(inputs_embeds=unused, use_cache=False).logits
    return logits[0]
