"""The loss and its gradient, computed piece by piece from the last hidden states."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.blocks import Stub, stubbed
from worker.pruning.model.meta_model import MetaModel

TokenLoss = Callable[[Tensor, Tensor], Tensor]
TokenDistances = Callable[[Tensor, Tensor, Tensor], Tensor]
Head = tuple[MetaModel, BlockInputs]
_LOGITS_BYTES = 16 << 20


def window_losses(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    states: Iterable[Tensor],
    batches: Iterable[Tensor],
    token_loss: TokenLoss,
    ranks: Ranks = SINGLE_PROCESS,
) -> list[float]:
    """Return the mean loss per predicted token of each window.

    The final norm and the head treat each token independently, so they are run on short pieces of
    the states. This keeps the logits small, however large the vocabulary is.

    Args:
        meta_model: the model, with its head loaded.
        block_inputs: knows whether blocks return a tensor or a tuple.
        states: last hidden states ``[batch, tokens, hidden]``.
        batches: the token ids ``[batch, tokens]`` of these states.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]`` losses.
        ranks: the processes that share the windows; every rank gets the losses of all windows, in
            rank order.
    """
    means = [torch.empty(0, dtype=torch.float64)]
    for hidden, ids in zip(states, batches, strict=True):
        losses = [
            token_loss(logits, targets.to(logits.device)).double().cpu()
            for piece, targets in predicting_pieces(meta_model, hidden, ids)
            for logits in (head_logits(meta_model, block_inputs, piece),)
        ]
        means.append(torch.cat(losses).view(len(ids), -1).mean(1))
    losses_of_all: list[float] = ranks.concatenate(torch.cat(means)).tolist()
    return losses_of_all


def batch_distances(
    heads: tuple[Head, Head],
    states: tuple[Tensor, Tensor],
    ids: Tensor,
    token_distances: TokenDistances,
) -> Tensor:
    """Compare the predictions of two models; return each window's means, ``[batch, 4]`` float64.

    Args:
        heads: both models, with their heads loaded, each with what calls its blocks; the models may
            be one and the same.
        states: the last hidden states ``[batch, tokens, hidden]`` in each model.
        ids: the token ids ``[batch, tokens]`` of these states.
        token_distances: ``(logits [n, vocabulary] of both, targets [n]) -> [n, 4]``.
    """
    pieces = (predicting_pieces(heads[0][0], of_model, ids) for of_model in states)
    rows: list[Tensor] = []
    for (one, targets), (other, _) in zip(*pieces, strict=True):
        p, q = (head_logits(*head, piece) for head, piece in zip(heads, (one, other), strict=True))
        rows.append(token_distances(p, q, targets.to(p.device)).double().cpu())
    return torch.cat(rows).view(len(ids), -1, 4).mean(1)


def mean_loss(losses: Sequence[float]) -> float | None:
    """Return the mean of the losses of windows of one length; None without windows."""
    return sum(losses) / len(losses) if losses else None


def loss_gradient(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    hidden: Tensor,
    ids: Tensor,
    token_loss: TokenLoss,
    scale: float,
) -> Tensor:
    """Return ``scale`` times the gradient of a window's mean loss with respect to ``hidden``.

    Args:
        meta_model: the model, with its head loaded.
        block_inputs: knows whether blocks return a tensor or a tuple.
        hidden: the window's last hidden states ``[1, tokens, hidden]``.
        ids: the token ids ``[1, tokens]`` of these states.
        token_loss: as in `window_losses`.
        scale: the factor; large enough that small gradients do not underflow in fp16.

    Returns:
        ``[1, tokens, hidden]`` in the dtype of ``hidden``; zero at the last token.
    """
    gradient, start = torch.zeros_like(hidden, device=meta_model.device), 0
    for piece, targets in predicting_pieces(meta_model, hidden, ids):
        leaf = piece.to(meta_model.device, copy=True).requires_grad_()
        with torch.enable_grad():
            logits = head_logits(meta_model, block_inputs, leaf)
            losses = token_loss(logits, targets.to(logits.device))
            loss = losses.sum() * (scale / (ids.shape[1] - 1))
        (piece_gradient,) = torch.autograd.grad(loss, leaf)
        gradient[0, start : start + len(piece)] = piece_gradient
        start += len(piece)
    return gradient


def predicting_pieces(
    meta_model: MetaModel, hidden: Tensor, ids: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pieces ``[n, hidden]`` of a batch's states, each with the ids ``[n]`` to predict.

    A window's last state is left out, because no token follows it.
    """
    vocabulary = meta_model.config.vocab_size
    inputs, targets = hidden[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
    length = max(1, min(ids.shape[1], _LOGITS_BYTES // (4 * vocabulary)))
    yield from zip(torch.split(inputs, length), torch.split(targets, length), strict=True)


def head_logits(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    hidden: Tensor,
    replaced: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Return the logits ``[n, vocabulary]`` of last hidden states ``[n, hidden]``.

    Args:
        meta_model: the model, with its head loaded.
        block_inputs: knows whether blocks return a tensor or a tuple.
        hidden: last hidden states ``[n, hidden]``.
        replaced: parameters to use instead of the loaded ones, by name.
    """
    states = hidden.to(meta_model.device)[None]  # [1, n, hidden]

    def stub(index: int) -> Stub:
        def return_states(*_: Any, **__: Any) -> Any:
            return block_inputs.as_output(states)

        return return_states

    width = meta_model.model.get_input_embeddings().embedding_dim
    unused = torch.zeros(1, len(hidden), width, dtype=states.dtype, device=states.device)
    with stubbed(meta_model.blocks, stub):
        given = {"inputs_embeds": unused, "use_cache": False}
        model = meta_model.model
        # With nothing to replace, a call costs half as much.
        output = functional_call(model, dict(replaced), (), given) if replaced else model(**given)
    logits: Tensor = output.logits
    return logits[0]
