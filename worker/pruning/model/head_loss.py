"""From the last block to the loss: the model's own norm and head, in pieces."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import ALONE, Ranks
from worker.pruning.model.block_inputs import Entrance
from worker.pruning.model.blocks import Stub, stubbed
from worker.pruning.model.meta_model import Skeleton

TokenLoss = Callable[[Tensor, Tensor], Tensor]
_LOGITS_BYTES = 16 << 20


def mean_loss(
    skeleton: Skeleton,
    entrance: Entrance,
    states: Iterable[Tensor],
    batches: Iterable[Tensor],
    token_loss: TokenLoss,
    ranks: Ranks = ALONE,
) -> float:
    """Return the mean loss per predicted token, each window on its own.

    Norm and head treat every token alone, so any run of tokens can go through them as one
    sequence; pieces keep the logits small whatever the vocabulary.

    Args:
        skeleton: the model, with its exit filled.
        entrance: knows the form in which blocks answer.
        states: last hidden states ``[batch, tokens, hidden]``.
        batches: the token ids ``[batch, tokens]`` they came from.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]`` losses.
        ranks: the mean is taken over the windows of all.
    """
    total, count = torch.zeros((), dtype=torch.float64), 0
    for hidden, targets in _pieces(skeleton, states, batches):
        logits = _logits(skeleton, entrance, hidden)
        total += token_loss(logits, targets.to(logits.device)).double().sum().cpu()
        count += len(targets)
    return float(ranks.total(total) / ranks.count(count))


def loss_gradient(
    skeleton: Skeleton,
    entrance: Entrance,
    hidden: Tensor,
    ids: Tensor,
    token_loss: TokenLoss,
    scale: float,
) -> Tensor:
    """Return the gradient of one window's mean loss in its last hidden state, times ``scale``.

    Args:
        skeleton: the model, with its exit filled.
        entrance: knows the form in which blocks answer.
        hidden: ``[1, tokens, hidden]``.
        ids: the token ids ``[1, tokens]`` it came from.
        token_loss: as in `mean_loss`.
        scale: keeps what is small above the least number of fp16.

    Returns:
        ``[1, tokens, hidden]`` in the dtype of ``hidden``; zero at the last token.
    """
    gradient, start = torch.zeros_like(hidden, device=skeleton.device), 0
    for piece, targets in _pieces(skeleton, [hidden], [ids]):
        given = piece.to(skeleton.device, copy=True).requires_grad_()
        with torch.enable_grad():
            logits = _logits(skeleton, entrance, given)
            losses = token_loss(logits, targets.to(logits.device))
            loss = losses.sum() * (scale / (ids.shape[1] - 1))
        (own,) = torch.autograd.grad(loss, given)
        gradient[0, start : start + len(piece)] = own
        start += len(piece)
    return gradient


def _pieces(
    skeleton: Skeleton, states: Iterable[Tensor], batches: Iterable[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    vocabulary = skeleton.model.config.get_text_config().vocab_size
    for hidden, ids in zip(states, batches, strict=True):
        before, targets = hidden[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
        length = max(1, min(ids.shape[1], _LOGITS_BYTES // (4 * vocabulary)))
        yield from zip(torch.split(before, length), torch.split(targets, length), strict=True)


def _logits(skeleton: Skeleton, entrance: Entrance, hidden: Tensor) -> Tensor:
    """Return the logits ``[n, vocabulary]`` of last hidden states ``[n, hidden]``."""
    given = hidden.to(skeleton.device)[None]  # [1, n, hidden]

    def stub(index: int) -> Stub:
        def give(*_: Any, **__: Any) -> Any:
            return entrance.answer(given)

        return give

    width = skeleton.model.get_input_embeddings().embedding_dim
    unused = torch.zeros(1, len(hidden), width, dtype=given.dtype, device=given.device)
    with stubbed(skeleton.blocks, stub):
        logits: Tensor = skeleton.model(inputs_embeds=unused, use_cache=False).logits
    return logits[0]
