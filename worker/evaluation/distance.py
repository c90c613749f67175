"""How far a pruned model's predictions are from the dense model's, token by token."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from worker.pruning.base.generators import mapped
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import head_logits, predicting_pieces
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.forward_stream import forward_batches, last_states, open_block_inputs

_Head = tuple[MetaModel, BlockInputs]


@dataclass(frozen=True)
class WindowDistance:
    """The means over the predicted tokens of a window.

    Attributes:
        dense_loss, loss: the cross-entropy of the dense and of the pruned model, in nats.
        kl: the Kullback-Leibler divergence of the dense model's distribution of the next token to
            the pruned one's, in nats.
        agreement: the share of tokens for which both models have the same most likely one.
    """

    dense_loss: float
    loss: float
    kl: float
    agreement: float


@torch.no_grad()
def window_distances(
    dense: MetaModel, pruned: MetaModel, windows: Tensor, spill: Path
) -> Generator[int, None, list[WindowDistance]]:
    """Compare two models with the same vocabulary on windows of token ids.

    The windows run through one model after the other, with one block in memory at a time. Only the
    last hidden states of both are kept, in files. From these, the logits of both are computed for a
    few tokens at a time, so that the divergence is that over the whole vocabulary.

    Args:
        dense, pruned: the models, which share no modules.
        windows: ``[windows, tokens]``, at least one window of two tokens or more.
        spill: an empty folder for the hidden states.

    Yields:
        The number of blocks that have been run, of both models together.
    """
    batches, done = forward_batches(windows, dense.device), count(1)
    heads, states = list[_Head](), list[Activations]()
    for name, model in (("dense", dense), ("pruned", pruned)):
        (spill / name).mkdir()
        heads.append((model, open_block_inputs(model)))
        stream = last_states(*heads[-1], batches, spill / name)
        states.append((yield from mapped(stream, lambda _: [next(done)])))
    with _loaded_heads(*heads) as loaded:
        means = [
            _batch_means(loaded, both, ids) for *both, ids in zip(*states, batches, strict=True)
        ]
    return [WindowDistance(*row) for row in torch.cat(means).tolist()]


def token_distances(dense: Tensor, pruned: Tensor, targets: Tensor) -> Tensor:
    """Return the numbers of `WindowDistance` of single tokens.

    Args:
        dense, pruned: the logits ``[n, vocabulary]`` of both models, any float dtype.
        targets: the tokens ``[n]`` that follow, int64.

    Returns:
        ``[n, 4]`` float64; computed in float32.
    """
    is_same = dense.argmax(-1) == pruned.argmax(-1)
    p, q = (logits.float().log_softmax(-1) for logits in (dense, pruned))
    losses = [-log.gather(-1, targets[:, None])[:, 0] for log in (p, q)]
    ratio = q.neg_().add_(p)  # in place, because these are large
    kl = ratio.mul_(p.exp_()).sum(-1)
    return torch.stack([*losses, kl, is_same.float()], 1).double()


@contextmanager
def _loaded_heads(dense: _Head, pruned: _Head) -> Iterator[tuple[_Head, _Head]]:
    """Load the heads of both models; one that both have is in memory once."""
    with dense[0].loaded_head():
        if _are_same(dense[0], pruned[0]):
            yield dense, dense
            return
        with pruned[0].loaded_head():
            yield dense, pruned


def _are_same(dense: MetaModel, pruned: MetaModel) -> bool:
    """Whether the heads of two models are stored in the same bytes."""
    names = set(dense.head_names)
    plain, joined = dense.weights.sources_of(names.__contains__)
    if names != set(pruned.head_names) or pruned.weights.sources_of(names.__contains__) != (
        plain,
        joined,
    ):
        return False
    return all(dense.checkpoint.stores_same(pruned.checkpoint, name) for name in plain + joined)


def _batch_means(heads: tuple[_Head, _Head], states: list[Tensor], ids: Tensor) -> Tensor:
    """Return the numbers of `WindowDistance` of the windows of a batch, ``[batch, 4]`` float64.

    ``states`` are the last hidden states ``[batch, tokens, hidden]`` of both models, and ``ids``
    the token ids ``[batch, tokens]``.
    """
    (dense, _), _ = heads
    pieces = (predicting_pieces(dense, of_model, ids) for of_model in states)
    rows: list[Tensor] = []
    for (one, targets), (other, _) in zip(*pieces, strict=True):
        p, q = (head_logits(*head, piece) for head, piece in zip(heads, (one, other), strict=True))
        rows.append(token_distances(p, q, targets.to(p.device)).cpu())
    return torch.cat(rows).view(len(ids), -1, 4).mean(1)
