"""The head of a model, run on pieces of the last hidden states so that logits stay small."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import head_logits
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.losses import Targets, distillation_losses
from worker.recovery.planning.sizes import LOGITS_BYTES
from worker.recovery.settings import Recovery


@dataclass(frozen=True)
class Head:
    """A model's final norm and its head.

    Attributes:
        meta_model: the model, with its head loaded.
        block_inputs: knows whether the model's blocks return a tensor or a tuple.
    """

    meta_model: MetaModel
    block_inputs: BlockInputs

    @property
    def vocabulary(self) -> int:
        """Number of tokens in the vocabulary."""
        size: int = self.meta_model.config.vocab_size
        return size

    def logits(self, hidden: Tensor, norms: Mapping[str, Tensor]) -> Tensor:
        """Return the logits ``[n, vocabulary]`` of last hidden states ``[n, hidden]``.

        Args:
            hidden: the states.
            norms: trained parameters outside the blocks, by name.
        """
        return head_logits(self.meta_model, self.block_inputs, hidden, norms)

    def pieces(self, hidden: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Split the states that predict a token into pieces.

        Args:
            hidden: last hidden states ``[windows, tokens, hidden]``. The last state of each window
                predicts no token.

        Yields:
            The index of a piece's first state among all states that predict a token, and the piece
            ``[n, hidden]``.
        """
        states = hidden[:, :-1].flatten(0, 1)
        fitting = LOGITS_BYTES[self.meta_model.device.type] // (4 * self.vocabulary)
        # No more tokens than the model has positions.
        length = max(1, min(hidden.shape[1], fitting))
        for start in range(0, len(states), length):
            yield start, states[start : start + length]

    @torch.no_grad()
    def targets(self, hidden: Tensor, temperature: float) -> Targets:
        """Return the model's predictions for last hidden states ``[windows, tokens, hidden]``."""
        parts = [
            Targets.of(self.logits(piece, {}), temperature) for _, piece in self.pieces(hidden)
        ]
        return Targets(
            torch.cat([part.indices for part in parts]),
            torch.cat([part.log_shares for part in parts]),
        )


@dataclass(frozen=True)
class DistillationHead:
    """A model's head, and the training loss of the head's predictions.

    Attributes:
        head: the final norm and the head.
        recovery: the settings, with the coefficients of the loss terms and the temperature.
    """

    head: Head
    recovery: Recovery

    @torch.no_grad()
    def loss(
        self, hidden: Tensor, ids: Tensor, targets: Targets, norms: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the sum of the losses of all predicted tokens but the skipped ones, fp64.

        Args:
            hidden: last hidden states ``[windows, tokens, hidden]``.
            ids: their token ids ``[windows, tokens]``.
            targets: the dense model's predictions, in the order of the predicted tokens.
            norms: trained parameters outside the blocks, by name.
        """
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start, piece in self.head.pieces(hidden):
            total += self._losses(start, piece, ids, targets, norms).double().sum()
        return total

    def backward(
        self, hidden: Tensor, ids: Tensor, targets: Targets, norms: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the same sum as `loss`, and add its gradients to the parameters' ``grad``.

        Args:
            hidden: last hidden states, with the autograd graph of the blocks.
            ids, targets, norms: as for `loss`.
        """
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        states = hidden.detach().requires_grad_()
        for start, piece in self.head.pieces(states):
            loss = self._losses(start, piece, ids, targets, norms).sum()
            torch.autograd.backward(loss)
            total += loss.detach().double()
        torch.autograd.backward(hidden, states.grad)
        return total

    def _losses(
        self,
        start: int,
        piece: Tensor,
        ids: Tensor,
        targets: Targets,
        norms: Mapping[str, Tensor],
    ) -> Tensor:
        """Return the losses ``[n]`` of a piece of the states that starts at index ``start``."""
        stop = start + len(piece)
        tokens = ids[:, 1:].flatten()[start:stop].to(piece.device)
        logits = self.head.logits(piece, norms)
        own = targets.rows(start, stop)
        losses = distillation_losses(logits, own, tokens, self.recovery)
        if self.recovery.skip == 0:
            return losses
        places = torch.arange(start, stop, device=losses.device) % (ids.shape[1] - 1)
        return losses.where(places >= self.recovery.skip, 0.0)
