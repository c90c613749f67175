"""The training of a block that is one linear layer, whose best weights are known exactly."""

import pytest
import torch
from torch import Tensor, nn

from tests.worker.pruning.layers import least_squares
from worker.pruning.base.generators import run_to_end
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.activations import Activations
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.refinement.block_targets import BlockTargets
from worker.pruning.refinement.block_training import BlockTraining
from worker.pruning.refinement.learning_rate import scheduled
from worker.pruning.refinement.settings import Refinement
from worker.pruning.refinement.token_weights import TokenWeights
from worker.pruning.refinement.trained_weight import TrainedWeight
from worker.pruning.refinement.window_draw import WindowDraw

WINDOWS, TOKENS, WIDTH, OUT, STEPS = 16, 64, 12, 6, 400


class Problem:
    """A linear layer of which half of the weights are pruned, and text to train it on."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        mixing = torch.randn(WIDTH, WIDTH, generator=generator) / 3 + torch.eye(WIDTH)
        self.inputs = torch.randn(WINDOWS, TOKENS, WIDTH, generator=generator) @ mixing
        self.dense = torch.randn(OUT, WIDTH, generator=generator)
        self.outputs = self.inputs @ self.dense.T
        self.keep = torch.rand(OUT, WIDTH, generator=generator) < 0.5
        self.stored = self.dense * self.keep
        self.block = nn.Sequential(nn.Linear(WIDTH, OUT, bias=False)).requires_grad_(False)
        self.block.get_parameter("0.weight").data = self.stored
        self.draw = WindowDraw(Refinement().window_counts(WINDOWS, TOKENS), seed=0)
        inputs, outputs = Activations(), Activations()
        for batch in range(0, WINDOWS, 3):  # the last batch is not full
            inputs.append(self.inputs[batch : batch + 3])
            outputs.append(self.outputs[batch : batch + 3])
        self.targets = BlockTargets(inputs, outputs, Activations(), 0.0, SINGLE_PROCESS)

    @torch.no_grad()
    def train(self, rate: float, steps: int = STEPS) -> tuple[float, float]:
        """Return the held-out loss before and after."""
        weights = TokenWeights(self.targets, range(WINDOWS), OUT, SINGLE_PROCESS)
        training = BlockTraining(self.block, self.targets, weights, self.draw, SINGLE_PROCESS)
        before = training.held_out_loss()
        parameter = self.block.get_parameter("0.weight")
        weight = TrainedWeight(parameter, self.stored, linear_layers(self.block))
        rates = [scheduled(rate, step, steps) for step in range(steps)]
        after = run_to_end(training.train([weight], before, 0, rates))
        weight.restore()
        return before, after

    def loss(self, weight: Tensor, windows: list[int]) -> float:
        """Return the relative squared error, as it is defined."""
        want = self.outputs.flatten(0, 1)
        error = self.inputs[windows] @ weight.T - self.outputs[windows]
        variance = (want - want.mean(0)).square().sum(-1).mean()
        return float(error.square().sum(-1).mean() / variance)


def test_a_linear_layer_reaches_the_exact_least_squares() -> None:
    problem = Problem()
    trained = problem.draw.training
    tokens = problem.inputs[trained].flatten(0, 1)
    best = least_squares(problem.dense, tokens.T @ tokens, problem.keep)

    problem.train(0.02)

    exact, reached = (problem.loss(weight, trained) for weight in (best, problem.stored))
    assert exact < 0.8 * problem.loss(problem.dense * problem.keep, trained)
    assert exact <= reached < 1.01 * exact
    assert torch.equal(problem.stored != 0, problem.keep)


def test_the_held_out_loss_is_the_relative_error_on_windows_that_were_not_trained_on() -> None:
    problem = Problem()
    start = problem.stored.clone()
    before, after = problem.train(0.02, steps=20)
    held_out = problem.draw.held_out
    assert before == pytest.approx(problem.loss(start, held_out), rel=1e-5)
    assert after == pytest.approx(problem.loss(problem.stored, held_out), rel=1e-5)
    assert after < before


@pytest.mark.parametrize("rate", [1e4, float("nan")])
def test_a_training_that_makes_it_worse_keeps_the_start(rate: float) -> None:
    problem = Problem()
    start = problem.stored.clone()
    before, after = problem.train(rate, steps=8)
    assert after == before
    assert torch.equal(problem.stored, start)
    assert torch.equal(problem.block.get_parameter("0.weight"), start)
