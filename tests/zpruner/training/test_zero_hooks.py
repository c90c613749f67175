from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adafactor, Adagrad, Adam, AdamW, Muon, Optimizer, RMSprop

from tests.zpruner.training.sparse_models import prune
from zpruner.training import (
    MaskError,
    NotSparseError,
    OptimizerError,
    compare_sparsity,
    keep_zeros,
    zero_masks,
)

INPUTS = torch.randn(32, 8, generator=torch.Generator().manual_seed(1))
OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter]], Optimizer]] = {
    "sgd": lambda weights: SGD(weights, lr=0.1, weight_decay=0.1),
    "sgd-nesterov": lambda weights: SGD(weights, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda weights: Adam(weights, lr=0.1, weight_decay=0.1),
    "adamw": lambda weights: AdamW(weights, lr=0.1, weight_decay=0.1),
    "adamw-each": lambda weights: AdamW(weights, lr=0.1, foreach=False),
    "adafactor": lambda weights: Adafactor(weights, lr=0.1, weight_decay=0.1),
    "adagrad": lambda weights: Adagrad(weights, lr=0.1),
    "rmsprop": lambda weights: RMSprop(weights, lr=0.1, momentum=0.9),
    "muon": lambda weights: Muon([one for one in weights if one.ndim == 2], lr=0.1),
}


@pytest.fixture
def layer() -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(8, 6)
    prune(layer.weight.data)
    return layer


def steps(layer: nn.Linear, optimizer: Optimizer, count: int = 3) -> None:
    for _ in range(count):
        layer(INPUTS).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_the_hooks_every_zero_is_kept_and_without_them_it_is_lost(
    name: str, layer: nn.Linear
) -> None:
    masks, start = zero_masks(layer), layer.weight.detach().clone()
    optimizer = OPTIMIZERS[name](layer.parameters())
    hooks = keep_zeros(layer, optimizer)
    steps(layer, optimizer)
    assert compare_sparsity(masks, layer) == []
    assert (layer.weight != start)[masks["weight"]].all()
    hooks.remove()
    steps(layer, optimizer)
    (lost,) = compare_sparsity(masks, layer)
    assert (lost.before, lost.after, lost.lost) == (0.5, 0.0, 24)


def test_the_moments_of_the_zeros_stay_zero(layer: nn.Linear) -> None:
    zero = layer.weight.detach() == 0
    optimizer = AdamW(layer.parameters(), lr=0.1)
    keep_zeros(layer, optimizer)
    steps(layer, optimizer)
    state = optimizer.state[layer.weight]
    for name in ("exp_avg", "exp_avg_sq"):
        assert not state[name][zero].any()
        assert state[name][~zero].all()


def test_momentum_from_before_moves_no_zero(layer: nn.Linear) -> None:
    start, masks = layer.weight.detach().clone(), zero_masks(layer)
    optimizer = SGD(layer.parameters(), lr=0.1, momentum=0.9)
    steps(layer, optimizer)
    layer.weight.data = start
    keep_zeros(layer, optimizer)
    steps(layer, optimizer)
    assert compare_sparsity(masks, layer) == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_zeros_become_positive_zeros_in_half_precision_too(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(8, 6, dtype=dtype)
    prune(layer.weight.data)
    zero = layer.weight.detach() == 0
    layer.weight.data[zero] = -0.0
    optimizer = AdamW(layer.parameters(), lr=0.1)
    keep_zeros(layer, optimizer)
    layer(INPUTS.to(dtype)).float().mean().backward()
    optimizer.step()
    assert not layer.weight[zero].view(torch.int16).any()


def test_a_scaled_gradient_that_overflows_moves_no_zero(layer: nn.Linear) -> None:
    masks, optimizer = zero_masks(layer), AdamW(layer.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    keep_zeros(layer, optimizer)
    for _ in range(20):  # the scale is halved until the gradients are finite
        scaler.scale(layer(INPUTS).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert 0 < optimizer.state[layer.weight]["step"] < 20
    assert compare_sparsity(masks, layer) == []


def test_masks_can_be_given(layer: nn.Linear) -> None:
    masks = zero_masks(layer)
    layer.weight.data.fill_(1)
    optimizer = SGD(layer.parameters(), lr=0.1)
    keep_zeros(layer, optimizer, masks)
    assert compare_sparsity(masks, layer)
    steps(layer, optimizer, 1)
    assert compare_sparsity(masks, layer) == []


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"missing": torch.ones(6, 8, dtype=torch.bool)}, "masks has 'missing', the model has not"),
        (
            {"weight": torch.ones(8, 6, dtype=torch.bool)},
            r"the mask of 'weight' has the shape \(8, 6\), the parameter \(6, 8\)",
        ),
    ],
)
def test_masks_of_another_model_are_refused(
    masks: dict[str, Tensor], message: str, layer: nn.Linear
) -> None:
    with pytest.raises(MaskError, match=message):
        keep_zeros(layer, SGD(layer.parameters()), masks)


def test_an_optimizer_of_no_sparse_weight_is_refused(layer: nn.Linear) -> None:
    message = r"the optimizer trains no matrix with a share of zeros of 0\.05 or more"
    with pytest.raises(NotSparseError, match=message):
        keep_zeros(layer, SGD([layer.bias]))
    with pytest.raises(NotSparseError, match="none of the parameters that masks names"):
        keep_zeros(layer, SGD([layer.bias]), zero_masks(layer))


@pytest.fixture
def pair() -> nn.Sequential:
    """A layer with half of its weights zero, and one with 2 of 48, 4.2 %."""
    torch.manual_seed(0)
    pair = nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 8))
    prune(pair.get_parameter("0.weight").data)
    pair.get_parameter("1.weight").data[0, :2] = 0
    return pair


def train_a_step(model: nn.Module, optimizer: Optimizer) -> None:
    model(INPUTS).square().sum().backward()
    optimizer.step()


def test_matrices_with_few_zeros_are_named_and_their_loss_is_found(pair: nn.Sequential) -> None:
    before = {name: one.clone() for name, one in pair.state_dict().items()}
    optimizer = AdamW(pair.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match=r"zeros of 1\.weight \(4\.17% zeros\) may be lost.*0\.05"):
        hooks = keep_zeros(pair, optimizer)
    assert hooks.left_out == ("1.weight",)
    train_a_step(pair, optimizer)
    (lost,) = compare_sparsity(before, pair)
    assert (lost.name, lost.lost) == ("1.weight", 2)
    assert compare_sparsity(before, pair, min_sparsity=0.05) == []


def test_a_smaller_min_sparsity_keeps_few_zeros_too(pair: nn.Sequential) -> None:
    before = {name: one.clone() for name, one in pair.state_dict().items()}
    optimizer = AdamW(pair.parameters(), lr=0.1)
    hooks = keep_zeros(pair, optimizer, min_sparsity=0.01)
    assert hooks.left_out == ()
    train_a_step(pair, optimizer)
    assert compare_sparsity(before, pair) == []


def test_an_optimizer_without_hooks_is_refused(layer: nn.Linear) -> None:
    class Wrapper:
        optimizer = object()

    wrapper: Any = Wrapper()
    with pytest.raises(OptimizerError, match="object is not an optimizer of torch"):
        keep_zeros(layer, wrapper)
