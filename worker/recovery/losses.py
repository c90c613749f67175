"""The training loss: the divergence from the dense model, and the cross-entropy of the text.

Of the dense model's distribution, only the largest probabilities and the sum of all others are
kept. The divergence computed from these is at most that of the whole distributions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.model.head_loss import TokenLoss
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
    scaled = logits.float() / temperature
    rest = scaled.scatter(1, indices, -torch.inf).logsumexp(1, keepdim=True)
    shares = torch.cat([scaled.gather(1, indices), rest], dim=1)
    return shares - shares.logsumexp(1, keepdim=True)


def divergence(target: Tensor, prediction: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence KL(target ‖ prediction) of each row.

    Args:
        target, prediction: ``[n, k + 1]``, logarithms of probabilities that sum to 1 in each row.

    Returns:
        ``[n]``, in nats; at least 0, apart from rounding.
    """
    return (target.exp() * (target - prediction)).sum(1)


def distillation_losses(
    logits: Tensor, targets: Targets, ids: Tensor, recovery: Recovery, token_loss: TokenLoss
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
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``, the cross-entropy.

    Returns:
        ``[n]`` fp32.
    """
    losses = torch.zeros(len(ids), device=logits.device)
    if recovery.kl > 0:
        predicted = log_shares(logits, targets.indices, recovery.temperature)
        weight = recovery.kl * recovery.temperature**2
        losses = losses + weight * divergence(targets.log_shares, predicted)
    if recovery.kl < 1:
        losses = losses + (1 - recovery.kl) * token_loss(logits, ids)
    return losses
