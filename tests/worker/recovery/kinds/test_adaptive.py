"""The adaptive mask of AST, compared with an independent writing of the equations."""

import pytest
import torch
from torch import Tensor

from tests.worker.recovery.kinds.layouts import (
    IN,
    OUT,
    AdamByHand,
    half_pruned,
    linear_layout,
    transposed_layout,
)
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.recovery.kinds.adaptive import AdaptiveWeights

STEPS, RATE, REFRESH, DECAY = 5, 0.05, 2, 0.3


def largest(weight: Tensor, pattern: Pattern) -> Tensor:
    """Return the mask of the largest weights; of equal ones the later is kept."""
    keep = torch.ones(OUT, IN, dtype=torch.bool)
    places = [(i, j) for i in range(OUT) for j in range(IN)]
    if isinstance(pattern, NofM):
        groups = [places[start : start + pattern.m] for start in range(0, OUT * IN, pattern.m)]
        dropped = [pattern.m - pattern.n] * len(groups)
    else:
        groups, dropped = [places], [OUT * IN // 2]
    for group, count in zip(groups, dropped, strict=True):
        ordered = sorted(group, key=lambda place: (abs(float(weight[place])), place))
        for place in ordered[:count]:
            keep[place] = False
    return keep


def by_hand(start: Tensor, pattern: Pattern, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, ...]:
    """Train W̃ = m⊙W for five steps of W ← W − rate·(g + λ(t)·(¬m⊙W)); return W and m."""
    weight, keep, adam = start.clone(), start != 0, AdamByHand(RATE)
    for t in range(STEPS):
        error = inputs @ (keep * weight).T - wanted  # the loss is half of the sum of its squares
        gradient = error.T @ inputs  # of W̃, passed straight to W
        strength = DECAY * min(1.0, t / (STEPS // 2))
        decay = strength * (~keep * weight)
        weight = weight - RATE * (adam.direction(gradient) + decay)
        if (t + 1) % REFRESH == 0:
            keep = largest(weight, pattern)
    return weight, keep


@pytest.mark.parametrize("pattern", [NofM(2, 4), Unstructured(0.9)], ids=["2:4", "unstructured"])
@pytest.mark.parametrize("transposed", [False, True])
def test_five_steps_are_those_of_the_equations(
    monkeypatch: pytest.MonkeyPatch, pattern: Pattern, transposed: bool
) -> None:
    monkeypatch.setattr("worker.recovery.kinds.adaptive.REFRESH_STEPS", REFRESH)
    monkeypatch.setattr("worker.recovery.kinds.adaptive.DECAY", DECAY)
    start = half_pruned()
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, IN, generator=generator)
    wanted = 5 * torch.randn(6, OUT, generator=generator)
    layout = transposed_layout() if transposed else linear_layout()
    adaptive = AdaptiveWeights(layout.stored(start[None].clone()), layout, pattern)
    adam = torch.optim.AdamW([adaptive.weight], RATE, betas=(0.9, 0.95), weight_decay=0.0)

    for step in range(STEPS):
        adam.zero_grad()
        error = inputs @ layout.oriented(adaptive())[0].T - wanted
        torch.autograd.backward(error.square().sum() / 2)
        adaptive.before_step(step, STEPS, RATE)
        adam.step()
        adaptive.after_step(step)

    weight, keep = by_hand(start, pattern, inputs, wanted)
    torch.testing.assert_close(layout.oriented(adaptive.weight.detach())[0], weight)
    assert torch.equal(layout.oriented(adaptive.keep)[0], keep)
    assert not torch.equal(keep, start != 0)  # the mask has changed
    assert int(keep.sum()) == OUT * IN // 2  # and keeps as many as at the start


def test_a_matrix_without_zeros_stays_dense() -> None:
    start = torch.randn(OUT, IN)
    for pattern in (NofM(2, 4), Unstructured(0.5)):
        adaptive = AdaptiveWeights(start, linear_layout(), pattern)
        adaptive.after_step(9)
        assert bool(adaptive.keep.all())


def test_weights_that_are_not_kept_get_the_gradient_of_the_kept_ones() -> None:
    adaptive = AdaptiveWeights(half_pruned(), linear_layout(), NofM(2, 4))
    slope = torch.randn(OUT, IN)
    torch.autograd.backward((adaptive() * slope).sum())
    assert adaptive.weight.grad is not None
    assert torch.equal(adaptive.weight.grad, slope)
