"""The training loss: the divergence from the dense model, and the cross-entropy of the text.

Of the dense model's distribution, only the largest probabilities and the sum of all others are
kept. The divergence computed from these is at most that of the whole distributions.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from worker.recovery.planning.sizes import top_count
from worker.recovery.settings import Recovery


@dataclass(frozen=True)
class Targets:
    """The dense model's predictions of n tokens.

    Attributes:
        indices: ``[n, k]`` int64, for each prediction the ids of its k most likely tokens.
        log_shares: ``[n, k + 1]`` fp32, the logarithms of these k tokens' probabilities, and of the
            sum of all other probabilities. The softmax has the temperature of the recovery.
    """

    indices: Tensor
    log_shares: Tensor

    @classmethod
    def of(cls, logits: Tensor, temperature: float) -> "Targets":
        """Return the targets for logits ``[n, vocabulary]`` of the dense model."""
        indices = logits.topk(top_count(logits.shape[1]), sorted=False).indices
        return cls(indices, log_shares(logits, indices, temperature))

    def rows(self, start: int, stop: int) -> "Targets":
        """Return the targets of tokens ``start`` to ``stop - 1``."""
        return Targets(self.indices[start:stop], self.log_shares[start:stop])


def log_shares(logits: Tensor, indices: Tensor, temperature: float) -> Tensor:
    """Return the logarithms of some tokens' probabilities, and of the sum of all others.

    Args:
        logits: ``[n, vocabulary]``, any float dtype; they are converted to fp32.
        indices: ``[n, k]`` int64, token ids, distinct within a row; k is below the vocabulary size.
        temperature: divides the logits.

    Returns:
        ``[n, k + 1]`` fp32.
    """
    return _shares(logits, indices, temperature)[0]


def _shares(logits: Tensor, indices: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return `log_shares`, and ``[n, vocabulary]`` the other tokens' probabilities, fp32.

    In the second tensor, the tokens ``indices`` have the probability 0.
    """
    log_probabilities = (logits.float() / temperature).log_softmax(1)
    kept = log_probabilities.gather(1, indices)
    others = log_probabilities.exp_().scatter_(1, indices, 0.0)
    rest = others.sum(1, keepdim=True).clamp_min_(torch.finfo(torch.float32).tiny).log_()
    shares = torch.cat([kept, rest], dim=1)
    return shares - shares.logsumexp(1, keepdim=True), others


def divergence(target: Tensor, prediction: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence KL(target ‖ prediction) of each row.

    Args:
        target, prediction: ``[n, k + 1]``, logarithms of probabilities that sum to 1 in each row.

    Returns:
        ``[n]``, in nats; at least 0, apart from rounding.
    """
    return (target.exp() * (target - prediction)).sum(1)


def distillation_losses(
    logits: Tensor, targets: Targets, ids: Tensor, recovery: Recovery
) -> Tensor:
    """Return a·T²·KL(p_T ‖ q_T) + (1 − a)·CE of each token.

    p_T and q_T are the probabilities that the dense and the pruned model give at temperature T; CE
    is the cross-entropy of the pruned model. The factor T² keeps the size of the gradients about
    the same at all temperatures (Hinton et al., 2015, arXiv:1503.02531, section 2).

    Args:
        logits: ``[n, vocabulary]`` of the pruned model.
        targets: the dense model's predictions of the same tokens.
        ids: ``[n]`` int64, the ids of these tokens.
        recovery: the settings, with the coefficient a (``kl``) and the temperature T.

    Returns:
        ``[n]`` fp32.
    """
    known = (targets.indices, targets.log_shares, ids, recovery)
    losses: Tensor = _DistillationLosses.apply(logits, *known)  # type: ignore[no-untyped-call] # torch does not type it
    return losses


class _DistillationLosses(torch.autograd.Function):
    """`distillation_losses` with the gradient written out.

    The logits are the largest tensors of a training. What autograd would keep of them, and the
    number of passes over them, took a third of the time of a training step.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, indices: Tensor, target: Tensor, ids: Tensor, recovery: Recovery
    ) -> Tensor:
        losses = torch.zeros(len(ids), device=logits.device)
        gradient = torch.zeros((), device=logits.device)
        if recovery.kl > 0:
            weight, temperature = recovery.kl * recovery.temperature**2, recovery.temperature
            own, gradient = _divergence(logits, indices, target, temperature)
            losses += weight * own
            gradient *= weight
        if recovery.kl < 1:
            own, entropy_gradient = _cross_entropy(logits, ids)
            losses += (1 - recovery.kl) * own
            gradient = entropy_gradient.mul_(1 - recovery.kl).add_(gradient)
        ctx.save_for_backward(gradient.to(logits.dtype))
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (own,) = ctx.saved_tensors
        return own * gradients[0].to(own.dtype)[:, None], None, None, None, None


def _divergence(
    logits: Tensor, indices: Tensor, target: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return the divergences ``[n]`` from the target's shares, and their gradient.

    The gradient of a kept token i is (q_i − p_i) / T. Another token j has the part q_j / q_rest of
    the gradient (q_rest − p_rest) / T.
    """
    shares, gradient = _shares(logits, indices, temperature)
    p, q = target.exp(), shares.exp()
    gradient *= (1 - p[:, -1:] / q[:, -1:].clamp_min(torch.finfo(q.dtype).tiny)) / temperature
    gradient.scatter_(1, indices, (q - p)[:, :-1] / temperature)
    return divergence(target, shares), gradient


def _cross_entropy(logits: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropies ``[n]``, and their gradient, the probabilities less the target."""
    log_probabilities = logits.float().log_softmax(1)
    losses = -log_probabilities.gather(1, ids[:, None])[:, 0]
    minus_one = torch.full((len(ids), 1), -1.0, device=logits.device)
    return losses, log_probabilities.exp_().scatter_add_(1, ids[:, None], minus_one)
