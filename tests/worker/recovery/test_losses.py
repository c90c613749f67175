"""The distillation loss, compared with whole distributions and with loops."""

from math import exp, log

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.worker.recovery.recoveries import recovery_settings
from worker.recovery.losses import (
    Targets,
    distillation_losses,
    divergence,
    log_shares,
)
from worker.recovery.planning.sizes import TOP

VOCABULARY = 700  # more than are kept


def random_logits(seed: int, vocabulary: int = VOCABULARY) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(5, vocabulary, generator=generator)


@pytest.mark.parametrize("vocabulary", [9, VOCABULARY])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_model_does_not_diverge_from_itself(vocabulary: int, temperature: float) -> None:
    logits = random_logits(0, vocabulary).requires_grad_()
    targets = Targets.of(logits.detach(), temperature)
    recovery = recovery_settings("masked", kl=1.0, temperature=temperature)

    losses = distillation_losses(logits, targets, torch.zeros(5, dtype=torch.int64), recovery)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)

    assert losses.abs().max() == 0
    assert gradient.abs().max() < 1e-6


def test_kept_probabilities_and_the_rest_sum_to_one() -> None:
    targets = Targets.of(random_logits(0), 2.0)
    assert targets.log_shares.shape == (5, TOP + 1)
    torch.testing.assert_close(targets.log_shares.exp().sum(1), torch.ones(5))


def test_with_all_tokens_but_one_it_is_the_whole_divergence() -> None:
    dense, pruned = random_logits(0, 9), random_logits(1, 9)
    targets = Targets.of(dense, 2.0)

    got = divergence(targets.log_shares, log_shares(pruned, targets.indices, 2.0))

    whole = functional.kl_div(
        (pruned / 2).log_softmax(1), (dense / 2).log_softmax(1), reduction="none", log_target=True
    )
    torch.testing.assert_close(got, whole.sum(1))


def test_the_rest_is_one_token_whose_probability_is_the_sum_of_all_others() -> None:
    dense, pruned = random_logits(0), random_logits(1)
    targets = Targets.of(dense, 2.0)

    got = divergence(targets.log_shares, log_shares(pruned, targets.indices, 2.0))

    for row in range(len(dense)):
        p, q = ((logits[row] / 2).softmax(0).double() for logits in (dense, pruned))
        kept = targets.indices[row].tolist()
        want = sum(float(p[i]) * (log(p[i]) - log(q[i])) for i in kept)
        others = sorted(set(range(VOCABULARY)) - set(kept))
        rest_p, rest_q = (float(one[others].sum()) for one in (p, q))
        want += rest_p * (log(rest_p) - log(rest_q))
        assert float(got[row]) == pytest.approx(want, rel=1e-4)
        assert float(got[row]) <= float((p * (p.log() - q.log())).sum()) + 1e-6


@pytest.mark.parametrize(("kl", "temperature"), [(0.67, 2.0), (1.0, 1.0), (0.0, 2.0)])
def test_the_loss_is_the_weighted_sum(kl: float, temperature: float) -> None:
    dense, pruned = random_logits(0, 9), random_logits(1, 9)
    ids = torch.tensor([0, 3, 8, 1, 1])
    targets = Targets.of(dense, temperature)
    recovery = recovery_settings("masked", kl=kl, temperature=temperature)

    got = distillation_losses(pruned, targets, ids, recovery)

    for row in range(len(dense)):
        p, q = (
            [exp(float(one) / temperature) for one in logits[row]] for logits in (dense, pruned)
        )
        p, q = ([one / sum(values) for one in values] for values in (p, q))
        divergence_ = sum(one * log(one / other) for one, other in zip(p, q, strict=True))
        entropy = -float(pruned[row].log_softmax(0)[ids[row]])
        want = kl * temperature**2 * divergence_ + (1 - kl) * entropy
        assert float(got[row]) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize(("kl", "temperature"), [(0.67, 2.0), (1.0, 1.0), (0.0, 2.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_is_that_of_the_formula(
    kl: float, temperature: float, dtype: torch.dtype
) -> None:
    dense, pruned = random_logits(0), random_logits(1).to(dtype).requires_grad_()
    ids, weights = torch.tensor([0, 3, 8, 1, 1]), torch.tensor([1.0, 0.5, 2.0, 0.0, 3.0])
    targets = Targets.of(dense, temperature)
    recovery = recovery_settings("masked", kl=kl, temperature=temperature)

    losses = distillation_losses(pruned, targets, ids, recovery)
    (got,) = torch.autograd.grad((weights * losses).sum(), pruned)

    exact = pruned.detach().double().requires_grad_()
    q = (exact / temperature).softmax(1)
    kept = q.gather(1, targets.indices)
    shares = torch.cat([kept, 1 - kept.sum(1, keepdim=True)], dim=1).log()
    p = targets.log_shares.double()
    want_losses = kl * temperature**2 * (p.exp() * (p - shares)).sum(1)
    want_losses += (1 - kl) * functional.cross_entropy(exact, ids, reduction="none")
    (want,) = torch.autograd.grad((weights * want_losses).sum(), exact)
    torch.testing.assert_close(losses.double(), want_losses, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        got.double(), want, rtol=2e-2 if dtype == torch.bfloat16 else 1e-4, atol=1e-6
    )
