"""The adaptive mask of AST, compared with an independent writing of the equations."""

from dataclasses import dataclass

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
from worker.recovery.kinds.matrix import MatrixLayout

STEPS, RATE, DECAY = 60, 3e-4, 6e-5  # the defaults of a recovery of a small model
REFRESHED = (1, 11, 21, 31, 41, 51)


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


@dataclass(frozen=True)
class Problem:
    """Least squares whose gradients are as small as those of a language model's weights."""

    dense: Tensor
    pruned: Tensor
    inputs: Tensor
    wanted: Tensor

    @classmethod
    def random(cls) -> "Problem":
        generator = torch.Generator().manual_seed(0)
        dense = 0.03 * torch.randn(OUT, IN, generator=generator)
        repaired = 1.1 * half_pruned(scale=0.03)
        inputs = 0.01 * torch.randn(6, IN, generator=generator)
        return cls(dense, repaired, inputs, 1e-3 * torch.randn(6, OUT, generator=generator))

    def error(self, weight: Tensor) -> Tensor:
        return self.inputs @ weight.T - self.wanted  # the loss is half of the sum of its squares


def by_hand(problem: Problem, pattern: Pattern, decay: float) -> tuple[Tensor, Tensor]:
    """Train W̃ = m⊙W with the gradients g + λ(t)·(¬m⊙W); return W and m after 60 steps."""
    keep = problem.pruned != 0
    weight = torch.where(keep, problem.pruned, problem.dense)
    adam = AdamByHand(RATE)
    for t in range(STEPS):
        gradient = problem.error(keep * weight).T @ problem.inputs  # of W̃, passed on to W
        strength = decay * min(1.0, t / (STEPS / 2))
        weight = adam.step(weight, gradient + strength * (~keep * weight))
        if t + 1 in REFRESHED:
            keep = largest(weight, pattern)
    return weight, keep


def trained(problem: Problem, layout: MatrixLayout, pattern: Pattern) -> AdaptiveWeights:
    stored, dense = (
        layout.stored(one[None]).contiguous() for one in (problem.pruned, problem.dense)
    )
    adaptive = AdaptiveWeights(stored, dense, layout, pattern)
    adam = torch.optim.AdamW([adaptive.weight], RATE, betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(STEPS):
        adam.zero_grad()
        error = problem.error(layout.oriented(adaptive())[0])
        torch.autograd.backward(error.square().sum() / 2)
        adaptive.add_decay(step, STEPS)
        adam.step()
        adaptive.after_step(step)
    return adaptive


@pytest.mark.parametrize("pattern", [NofM(2, 4), Unstructured(0.9)], ids=["2:4", "unstructured"])
@pytest.mark.parametrize("transposed", [False, True])
def test_sixty_steps_at_the_default_rate_and_decay_are_those_of_the_equations(
    pattern: Pattern, transposed: bool
) -> None:
    problem, layout = Problem.random(), transposed_layout() if transposed else linear_layout()

    adaptive = trained(problem, layout, pattern)

    weight, keep = by_hand(problem, pattern, DECAY)
    got = layout.oriented(adaptive.weight.detach())[0]
    torch.testing.assert_close(got, weight, rtol=0, atol=1e-6)
    assert torch.equal(layout.oriented(adaptive.keep)[0], keep)
    moved = int((keep != (problem.pruned != 0)).sum())
    assert 0 < moved < OUT * IN // 2  # the mask has changed
    assert int(keep.sum()) == OUT * IN // 2  # and keeps as many as at the start
    without, _ = by_hand(problem, pattern, 0.0)
    assert float((without - weight).abs().max()) > 1e-4  # a hundred times the tolerance


@pytest.mark.parametrize("rate", [2e-5, 3e-4])  # the defaults from 7B, and up to 500M parameters
def test_the_decay_changes_pruned_weights_at_every_default_rate(rate: float) -> None:
    generator = torch.Generator().manual_seed(0)
    dense = 0.03 * torch.randn(OUT, IN, generator=generator)
    gradient = 1e-5 * torch.randn(OUT, IN, generator=generator)
    found = []
    for decays in (False, True):
        adaptive = AdaptiveWeights(half_pruned(), dense, linear_layout(), NofM(2, 4))
        adam = torch.optim.AdamW([adaptive.weight], rate, betas=(0.9, 0.95), weight_decay=0.0)
        for step in range(10):
            adaptive.weight.grad = gradient.clone()
            if decays:
                adaptive.add_decay(step, steps=10)
            adam.step()
        found.append(adaptive.weight.detach().clone())
    plain, decayed = found
    changed = plain != decayed
    assert not bool(changed[adaptive.keep].any())
    assert int(changed.sum()) > 0.9 * int((~adaptive.keep).sum())


def test_it_starts_with_the_dense_values_where_the_pruned_matrix_has_zeros() -> None:
    pruned, dense = half_pruned(), torch.randn(OUT, IN)
    adaptive = AdaptiveWeights(pruned, dense, linear_layout(), NofM(2, 4))
    with torch.no_grad():
        assert torch.equal(adaptive(), pruned)
    kept = pruned != 0
    assert torch.equal(adaptive.weight.detach()[kept], pruned[kept])
    assert torch.equal(adaptive.weight.detach()[~kept], dense[~kept])


def test_the_mask_is_chosen_again_after_steps_1_11_and_so_on() -> None:
    generator = torch.Generator().manual_seed(2)
    adaptive = AdaptiveWeights(half_pruned(), half_pruned(1), linear_layout(), NofM(2, 4))
    changed = []
    for step in range(22):
        with torch.no_grad():
            adaptive.weight.copy_(torch.randn(OUT, IN, generator=generator))
        before = adaptive.keep.clone()
        adaptive.after_step(step)
        if not torch.equal(adaptive.keep, before):
            changed.append(step + 1)
    assert changed == [1, 11, 21]


def test_a_matrix_without_zeros_stays_dense() -> None:
    start = torch.randn(OUT, IN)
    for pattern in (NofM(2, 4), Unstructured(0.5)):
        adaptive = AdaptiveWeights(start, start, linear_layout(), pattern)
        adaptive.after_step(0)
        assert bool(adaptive.keep.all())


def test_weights_that_are_not_kept_get_the_gradient_of_the_kept_ones() -> None:
    adaptive = AdaptiveWeights(half_pruned(), half_pruned(), linear_layout(), NofM(2, 4))
    slope = torch.randn(OUT, IN)
    torch.autograd.backward((adaptive() * slope).sum())
    assert adaptive.weight.grad is not None
    assert torch.equal(adaptive.weight.grad, slope)
