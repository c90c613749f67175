"""Units that are not independent of each other are noticed by running the block."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
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
