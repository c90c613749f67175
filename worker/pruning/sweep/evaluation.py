"""Evaluation: the losses of the dense and of the pruned model, and how far they are apart."""

from collections.abc import Sequence
from itertools import islice
from math import isfinite

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import (
    TokenDistances,
    TokenLoss,
    batch_distances,
    window_losses,
)
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.model.weights import Weights

COMPARED_WINDOWS = 16
"""Number of windows on which the outputs of each block are compared with the dense model's."""
_COMPARED_TOKENS = 16_384

WindowLosses = tuple[list[float], list[float], list[list[float]]]


def most_windows(seq_len: int) -> int:
    """Return on how many windows of a text the predictions of two models are compared at most.

    They are enough for an interval, and few beside those of a calibration.
    """
    return max(COMPARED_WINDOWS, _COMPARED_TOKENS // seq_len)


class Evaluation:
    """Evaluates the dense and the pruned model; each rank runs its share of the windows.

    Args:
        block_inputs: embeds the windows and calls the blocks.
        batches: the token ids ``[batch, tokens]`` of all ranks.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        ranks: the ranks that share the batches.
        dense_losses: the dense model's loss on each window; None if they are not known. If they are
            known, only the first windows run through the dense model, to compare each block's
            outputs and the predictions.
        token_distances: ``(dense logits, pruned logits [n, vocabulary], targets [n]) -> [n, 4]``;
            None to compare no predictions.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        batches: Sequence[Tensor],
        token_loss: TokenLoss,
        ranks: Ranks,
        dense_losses: Sequence[float] | None,
        token_distances: TokenDistances | None = None,
    ) -> None:
        self._meta_model, self._block_inputs, self._token_loss = (
            meta_model,
            block_inputs,
            token_loss,
        )
        self._ranks, self._dense_losses = ranks, dense_losses
        self._token_distances = token_distances
        self._batches = ranks.share_of(batches)
        starts = range(0, sum(map(len, batches)), len(batches[0])) if batches else range(0)
        self._starts = ranks.share_of(starts)
        self._most = most_windows(batches[0].shape[1]) if batches and token_distances else 0

    def embed(self, streams: Streams) -> None:
        """Fill each evaluation stream with the embeddings of its windows."""
        self._block_inputs.embed(self._batches, streams.evaluation.append)
        few = self._batches_before(max(COMPARED_WINDOWS, self._most))
        dense_batches = len(self._batches) if self._dense_losses is None else few
        for hidden in islice(streams.evaluation, dense_batches):
            streams.dense_evaluation.append(hidden)

    def output_error(self, streams: Streams, block: str) -> float | None:
        """Return the norm of the pruned states' error, relative to the norm of the dense states.

        Both norms are taken over all ranks' batches that start within the first
        ``COMPARED_WINDOWS`` windows. Without windows, the result is None.

        Raises:
            NotFiniteError: the states that ``block`` has computed overflow their dtype.
        """
        device = self._meta_model.device
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        for index in range(self._batches_before(COMPARED_WINDOWS)):
            dense, pruned = (
                stream[index].to(device, torch.float32)
                for stream in (streams.dense_evaluation, streams.evaluation)
            )
            sums[0] += (pruned - dense).square().sum()
            sums[1] += dense.square().sum()
        error, size = self._ranks.all_reduce(sums).tolist()
        if not isfinite(error):
            raise NotFiniteError(f"the output of {block}")
        return float((error / size) ** 0.5) if size else None

    def losses(self, streams: Streams, head: Weights) -> WindowLosses:
        """Return the dense and the pruned model's mean losses per token of each window.

        The third part is what ``token_distances`` finds, as means of each of the first windows; the
        losses of these windows are among it, so that no logits are computed again for them.
        ``head`` are the weights of the head, which both models have.
        """
        if not self._ranks.sum_of(len(self._batches)):
            return [], [], []
        with self._meta_model.loaded_head(head):
            compared = self._distances(streams)
            pruned = self._losses(streams.evaluation, compared[:, 1])
            dense = (
                self._losses(streams.dense_evaluation, compared[:, 0])
                if self._dense_losses is None
                else list(self._dense_losses)
            )
        rows: list[list[float]] = self._ranks.concatenate(compared.flatten()).view(-1, 4).tolist()
        return dense, pruned, rows

    def _distances(self, streams: Streams) -> Tensor:
        """Compare the predictions on the first of this rank's windows, ``[windows, 4]`` float64."""
        head, means = (self._meta_model, self._block_inputs), [torch.empty(0, 4).double()]
        if self._token_distances is not None:
            for index in range(self._batches_before(self._most)):
                count = self._most - self._starts[index]
                states = streams.dense_evaluation[index][:count], streams.evaluation[index][:count]
                ids = self._batches[index][:count]
                means.append(batch_distances((head, head), states, ids, self._token_distances))
        return torch.cat(means)

    def _losses(self, states: Activations, compared: Tensor) -> list[float]:
        """Return the losses of all ranks' windows.

        ``compared`` are the losses of the first of this rank's windows, which are known.
        """
        known = [max(0, self._most - start) for start in self._starts]
        left = [at for at, ids in enumerate(self._batches) if known[at] < len(ids)]
        rest = window_losses(
            self._meta_model,
            self._block_inputs,
            (states[at][known[at] :] for at in left),
            (self._batches[at][known[at] :] for at in left),
            self._token_loss,
        )
        own = torch.cat([compared, torch.tensor(rest, dtype=torch.float64)])
        losses: list[float] = self._ranks.concatenate(own).tolist()
        return losses

    def _batches_before(self, window: int) -> int:
        """Return how many of this rank's batches start before a window of all ranks' windows."""
        return sum(start < window for start in self._starts)
