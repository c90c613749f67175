"""Units that are not independent of each other are noticed by running the block."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.structure.attention_heads import attention_heads
from worker.pruning.structure.coupling import check_independent
from worker.pruning.structure.mlp_channels import mlp_channels

CONFIG = PretrainedConfig(hidden_size=4)


class Block(nn.Module):
    """An MLP with a function between its layers."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.up, self.down, self.between = nn.Linear(4, 6), nn.Linear(6, 4), between

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.down(self.between(self.up(hidden)))
        return result


@torch.no_grad()
def check(block: Block) -> None:
    check_independent(block, mlp_channels(block, CONFIG), lambda: block(torch.ones(1, 2, 4)))


@torch.no_grad()
def test_channels_of_a_plain_mlp_are_independent_and_its_weights_stay() -> None:
    block = Block(torch.relu)
    before = [parameter.clone() for parameter in block.parameters()]
    check(block)
    assert all(map(torch.equal, before, block.parameters()))


@pytest.mark.parametrize(
    "between",
    [
        lambda features: nn.functional.layer_norm(features, (6,)),
        lambda features: features.roll(1, -1),
        lambda features: features.cumsum(-1),
    ],
    ids=["a norm", "another order", "a sum"],
)
def test_features_that_depend_on_other_channels_are_refused(
    between: Callable[[Tensor], Tensor],
) -> None:
    block = Block(between)
    before = [parameter.clone() for parameter in block.parameters()]
    with pytest.raises(UnsupportedModelError, match=r"the inputs of down are not computed feature"):
        check(block)
    assert all(map(torch.equal, before, block.parameters()))


class Attention(nn.Module):
    """An attention of two heads, with a function on the queries of all heads."""

    def __init__(self, on_queries: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.on_queries = on_queries

    def forward(self, hidden: Tensor) -> Tensor:
        parts = (self.on_queries(self.q(hidden)), self.k(hidden), self.v(hidden))
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in parts)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result


class AttentionBlock(nn.Module):
    def __init__(self, on_queries: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.self_attn = Attention(on_queries)


@torch.no_grad()
def check_heads(on_queries: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    block = AttentionBlock(on_queries)
    config = PretrainedConfig(hidden_size=8, num_attention_heads=2, num_key_value_heads=2)
    units = attention_heads(block, config)
    tokens = torch.randn(1, 2, 8)
    assert [one.count for one in units] == [2]
    check_independent(block, units, lambda: block.self_attn(tokens))


def test_heads_are_independent_if_each_has_its_own_queries() -> None:
    check_heads(lambda queries: queries)
    check_heads(lambda queries: nn.functional.rms_norm(queries.view(1, 2, 2, 4), (4,)).flatten(2))


def test_heads_whose_queries_are_normed_together_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"self_attn\.out are not computed feature"):
        check_heads(lambda queries: nn.functional.rms_norm(queries, (8,)))
