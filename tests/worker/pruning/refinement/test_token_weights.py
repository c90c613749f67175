import pytest
import torch
from torch import Tensor

from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.activations import Activations
from worker.pruning.refinement.block_targets import BlockTargets
from worker.pruning.refinement.token_weights import TokenWeights


def weights_of(outputs: Tensor, windows: list[int]) -> TokenWeights:
    states = Activations()
    for batch in torch.split(outputs, 2):
        states.append(batch)
    targets = BlockTargets(states, states, Activations(), 0.0, SINGLE_PROCESS)
    return TokenWeights(targets, windows, outputs.shape[-1], SINGLE_PROCESS)


def test_ordinary_tokens_count_alike_and_the_scale_is_their_variance() -> None:
    outputs = torch.randn(5, 4, 2) + torch.tensor([10.0, -3.0])
    weights = weights_of(outputs, [1, 2, 4])
    tokens = outputs[[1, 2, 4]].flatten(0, 1).double()
    want = 4 * (tokens - tokens.mean(0)).square().sum(-1).mean()
    assert torch.equal(weights.of([4, 1]), torch.ones(2, 4))
    assert weights.window_scale == pytest.approx(float(want), rel=1e-6)


def test_a_token_a_thousand_times_as_long_counts_as_one_of_ten_times_the_median() -> None:
    outputs = torch.ones(3, 8, 4)
    outputs[:, ::2] = -1
    outputs[:, 0] *= 1000
    weights = weights_of(outputs, [0, 1, 2])
    torch.testing.assert_close(weights.of([0])[0, :2], torch.tensor([1e-4, 1.0]))
    flat, weight = outputs.flatten(0, 1).double(), weights.of([0, 1, 2]).flatten().double()
    mean = weight @ flat / weight.sum()
    want = (weight @ (flat - mean).square().sum(-1)) / 3
    assert weights.window_scale == pytest.approx(float(want), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_scale_of_equal_targets_is_one(value: float) -> None:
    weights = weights_of(torch.full((2, 4, 2), value), [0, 1])
    assert weights.window_scale == 1.0
    assert torch.equal(weights.of([0, 1]), torch.ones(2, 4))
