"""The ranker learns what hidden states tell about an answer, and nothing else."""

import pytest
import torch
from torch import Tensor

from worker.evaluation.answer_ranker import (
    MOST_PARAMETERS,
    choices,
    fitted_ranker,
)

QUESTIONS, ANSWERS, HIDDEN = 120, 6, 48


def drawn(strength: float, questions: int = QUESTIONS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return states ``[questions, 1 + answers, hidden]``, and which answers are right.

    The state of a right answer is moved by ``strength`` along a fixed direction.
    """
    generator = torch.Generator().manual_seed(seed)
    right = torch.rand(questions, ANSWERS, generator=generator) < 0.3
    states = torch.randn(questions, 1 + ANSWERS, HIDDEN, generator=generator)
    direction = torch.nn.functional.normalize(torch.arange(1.0, HIDDEN + 1), dim=0)
    states[:, 1:] += strength * right[..., None] * direction
    return states, right


def accuracy(strength: float) -> tuple[float, float]:
    """Return the held-out accuracy of the ranker, and that of a random choice."""
    ranker = fitted_ranker(*drawn(strength), seed=0)
    states, right = drawn(strength, questions=600, seed=1)
    chosen = choices(ranker, states)
    return right[torch.arange(600), chosen].float().mean().item(), right.float().mean().item()


def test_a_planted_signal_is_learned_and_generalises() -> None:
    ranker, random = accuracy(4.0)
    _, right = drawn(4.0, questions=600, seed=1)
    assert ranker > 0.95 * right.any(1).float().mean().item()
    assert random < 0.4


def test_noise_leaves_the_ranker_at_chance() -> None:
    ranker, random = accuracy(0.0)
    assert abs(ranker - random) < 3 * (random * (1 - random) / 600) ** 0.5


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train enough for another seed to make a difference, and no longer."""
    monkeypatch.setattr("worker.evaluation.answer_ranker._STEPS", 10)


@pytest.mark.parametrize("hidden", [16, 576, 4096, 8192, 18_432])
def test_a_ranker_has_fewer_than_half_a_million_parameters(hidden: int) -> None:
    states, right = torch.randn(4, 3, hidden), torch.tensor([[True, False]] * 4)
    ranker = fitted_ranker(states, right, seed=0)
    assert ranker.parameter_count == sum(one.numel() for one in ranker.parameters())
    assert hidden * 4 < ranker.parameter_count < MOST_PARAMETERS


@pytest.mark.usefixtures("few_steps")
def test_the_same_seed_gives_the_same_scores_and_another_one_others() -> None:
    states, right = drawn(1.0)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    with torch.no_grad():
        once, again, other = (fitted_ranker(states, right, seed)(states) for seed in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(torch.random.get_rng_state(), before), "others' draws stay the same"


@pytest.mark.usefixtures("few_steps")
def test_the_order_of_the_answers_does_not_matter() -> None:
    states, right = drawn(1.0)
    ranker = fitted_ranker(states, right, 0)
    order = [0, *range(ANSWERS, 0, -1)]
    with torch.no_grad():
        turned = ranker(states[:, order])
        assert torch.allclose(turned, ranker(states).flip(1), atol=1e-5)


def test_questions_that_are_all_right_or_all_wrong_teach_nothing() -> None:
    states, _ = drawn(1.0)
    for value in (True, False):
        untrained = fitted_ranker(states, torch.full((QUESTIONS, ANSWERS), value), 0)
        again = fitted_ranker(states, torch.full((QUESTIONS, ANSWERS), not value), 0)
        with torch.no_grad():
            assert torch.equal(untrained(states), again(states))
