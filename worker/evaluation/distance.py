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
from worker.pruning.model.head_loss import Head, batch_distances
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.forward_stream import forward_batches, last_states, open_block_inputs


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
    heads, states = list[Head](), list[Activations]()
    for name, model in (("dense", dense), ("pruned", pruned)):
        (spill / name).mkdir()
        heads.append((model, open_block_inputs(model)))
        stream = last_states(*heads[-1], batches, spill / name)
        states.append((yield from mapped(stream, lambda _: [next(done)])))
    with _loaded_heads(*heads) as loaded:
        means = [
            batch_distances(loaded, (one, other), ids, token_distances)
            for one, other, ids in zip(*states, batches, strict=True)
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
def _loaded_heads(dense: Head, pruned: Head) -> Iterator[tuple[Head, Head]]:
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
