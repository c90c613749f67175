"""What is observed of experts, compared with a loop over tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.models import random_ids
from tests.worker.pruning.experts.mixtures import EXPERTS, MIXTURES, router_of, write_mixture
from worker.pruning.base.errors import NotFiniteError, UnsupportedModelError
from worker.pruning.experts.layers import expert_layer
from worker.pruning.experts.routed_tokens import RoutedTokens, observed_experts
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel


def looped(mixture: nn.Module, experts: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return REAP's scores and the numbers of tokens, token by token and expert by expert."""
    sums, tokens = [0.0] * EXPERTS, [0] * EXPERTS
    for token in hidden:
        _, weights, chosen = router_of(mixture)(token[None])
        for weight, expert in zip(weights[0].tolist(), chosen[0].tolist(), strict=True):
            output = experts(token[None], torch.tensor([[expert]]), torch.ones(1, 1))
            sums[expert] += weight * float(output[0].double().square().sum().sqrt())
            tokens[expert] += 1
    means = [total / count if count else 0.0 for total, count in zip(sums, tokens, strict=True)]
    return torch.tensor(means, dtype=torch.float64), torch.tensor(tokens, dtype=torch.float64)


@pytest.mark.parametrize("family", MIXTURES)
@torch.no_grad()
def test_scores_are_those_of_a_loop_that_calls_the_models_own_router(
    tmp_path: Path, family: str
) -> None:
    folder = write_mixture(tmp_path, family)
    model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    inputs, states, index = BlockInputs(model), list[Tensor](), len(model.blocks) - 1
    with model.loaded_embeddings():
        inputs.detect_output_format()
        inputs.embed([random_ids(2, 12)], states.append)
    layer, entered = expert_layer(model.blocks[index]), list[Tensor]()
    assert layer is not None
    assert layer.count == EXPERTS
    with model.loaded_block(index, model.read_block(index)) as block:
        mixture = block.get_submodule(layer.name.rpartition(".")[0])
        experts = block.get_submodule(layer.name)
        handle = mixture.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        plain = inputs.call(block, index, states[0])
        handle.remove()
        observed = RoutedTokens(EXPERTS)
        with observed_experts(experts, layer.name, observed):
            watched = inputs.call(block, index, states[0])
        scores, tokens = looped(mixture, experts, entered[0].flatten(0, -2))
    torch.testing.assert_close(observed.means(), scores, rtol=1e-5, atol=1e-9)
    assert torch.equal(observed.tokens, tokens)
    assert len(set(scores.tolist())) > EXPERTS // 2
    torch.testing.assert_close(watched, plain)


def test_tokens_whose_experts_all_go_are_counted_once() -> None:
    tokens = RoutedTokens(4)
    index = torch.tensor([[0, 1], [1, 2], [3, 4], [0, 0]])  # 4 is no expert
    tokens.add(index, torch.full((4, 2), 0.5), torch.ones(4, 2))
    assert tokens.lost(torch.tensor([0, 1, 2, 3])).tolist() == [0, 1, 1, 1, 1]
    assert tokens.lost(torch.tensor([1, 0, 1, 0])).tolist() == [0, 1, 3]  # two go at once
    tokens.add(torch.tensor([[4, 5]]), torch.ones(1, 2), torch.ones(1, 2))
    assert tokens.lost(torch.tensor([3, 2, 1, 0])).tolist() == [1, 1, 0, 1, 2]
    assert tokens.tokens.tolist() == [3, 2, 1, 1]
    assert tokens.gates.tolist() == [1.5, 1, 0.5, 0.5]


def test_an_expert_without_tokens_has_the_score_0() -> None:
    tokens = RoutedTokens(3)
    tokens.add(torch.tensor([[1]]), torch.tensor([[0.5]]), torch.tensor([[4.0]]))
    assert tokens.means().tolist() == [0, 2, 0]


class _Experts(nn.Module):
    def forward(self, hidden: Tensor, *routing: Any) -> Tensor:
        return hidden


@pytest.mark.parametrize(
    "routing",
    [
        (),
        (torch.zeros(5, 2),),
        (torch.zeros(5, 2), torch.ones(5, 2)),
        (torch.zeros(5, 2, dtype=torch.long), torch.ones(5, 8)),
        (torch.zeros(4, 2, dtype=torch.long), torch.ones(4, 2)),
    ],
)
def test_experts_that_get_something_else_are_refused(routing: tuple[Tensor, ...]) -> None:
    experts = _Experts()
    with (
        observed_experts(experts, "mlp.experts", RoutedTokens(2)),
        pytest.raises(UnsupportedModelError, match=r"^mlp.experts gets no indices"),
    ):
        experts(torch.ones(5, 3), *routing)
    assert "forward" not in vars(experts)


def test_an_output_that_is_not_finite_is_refused() -> None:
    experts = _Experts()
    index, weights = torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1)
    with (
        observed_experts(experts, "mlp.experts", RoutedTokens(2)),
        pytest.raises(NotFiniteError, match="the output of an expert of"),
    ):
        experts(torch.full((1, 3), torch.nan), index, weights)
