"""Two ways through one block, held against forwards written out by hand."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import nn

from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.input_moments import Moments
from worker.pruning.sweep.calibration import prune_fused, prune_reference
from worker.pruning.sweep.dense_block import Shadow


class Experts(nn.Module):
    """A layer for all, then one of two experts, chosen by the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.experts = nn.ModuleList(nn.Linear(4, 4, bias=False) for _ in range(3))

    def forward(self, inputs: torch.Tensor, expert: int) -> torch.Tensor:
        hidden = self.first(inputs)
        output: torch.Tensor = self.experts[expert](hidden)
        return output


class Halver:
    """Stands for pruning: halves the weight, remembers who came with how many tokens."""

    def __init__(self) -> None:
        self.met: dict[str, int] = {}
        self.sq_mean: dict[str, torch.Tensor] = {}

    def __call__(self, layer: LinearLayer, moments: Moments) -> None:
        self.met[layer.name] = moments.tokens
        if moments.tokens:
            self.sq_mean[layer.name] = moments.sq_mean()
        layer.weight.mul_(0.5)


def _setting() -> tuple[Experts, list[torch.Tensor]]:
    torch.manual_seed(0)
    return Experts().requires_grad_(False), list(torch.randn(3, 5, 4))


def test_fused_gives_each_layer_the_inputs_that_pruned_predecessors_make() -> None:
    block, batches = _setting()
    halver, outputs = Halver(), {}
    dense = block.first.weight.clone()

    def forward(batch: int) -> None:
        outputs[batch] = block(batches[batch], batch % 2)

    prune_fused(linear_layers(block), forward, len(batches), halver)

    assert halver.met == {"first": 15, "experts.0": 10, "experts.1": 5, "experts.2": 0}
    hidden = torch.cat([batches[0], batches[2]]) @ (0.5 * dense).T
    torch.testing.assert_close(halver.sq_mean["experts.0"], hidden.square().mean(0))
    torch.testing.assert_close(outputs[1], block(batches[1], 1))


def test_reference_gives_each_layer_the_inputs_of_the_dense_block() -> None:
    block, batches = _setting()
    halver = Halver()
    dense = block.first.weight.clone()

    prune_reference(linear_layers(block), lambda i: block(batches[i], i % 2), len(batches), halver)

    hidden = torch.cat([batches[0], batches[2]]) @ dense.T
    torch.testing.assert_close(halver.sq_mean["experts.0"], hidden.square().mean(0))


def test_no_hook_stays_behind() -> None:
    block, batches = _setting()
    prune_fused(linear_layers(block), lambda i: block(batches[i], 0), 3, Halver())
    assert not any(layer.module._forward_pre_hooks for layer in linear_layers(block))


def test_an_error_in_one_batch_comes_out_and_leaves_no_hook() -> None:
    block, batches = _setting()

    def forward(batch: int) -> None:
        hidden = block(batches[batch], 0)
        if batch == 1:
            raise RuntimeError(f"lost after {tuple(hidden.shape)}")

    with pytest.raises(RuntimeError, match="lost after"):
        prune_fused(linear_layers(block), forward, 3, Halver())
    assert not any(layer.module._forward_pre_hooks for layer in linear_layers(block))


class Direct(nn.Module):
    """Takes one layer's weight without calling it, as Mamba does, and calls another after it."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4, bias=False)
        self.last = nn.Linear(4, 4, bias=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.last((self.step.weight @ inputs.mT).mT)
        return output


def test_a_layer_that_is_not_called_is_pruned_before_any_batch_passes_it() -> None:
    torch.manual_seed(0)
    block, batches = Direct().requires_grad_(False), list(torch.randn(3, 5, 4))
    halver, outputs = Halver(), {}
    dense = block.step.weight.clone()

    def forward(batch: int) -> None:
        outputs[batch] = block(batches[batch])

    prune_fused(linear_layers(block), forward, 3, halver, probe=lambda: block(batches[0][:2]))

    assert halver.met == {"step": 0, "last": 15}
    hidden = torch.cat(batches) @ (0.5 * dense).T
    torch.testing.assert_close(halver.sq_mean["last"], hidden.square().mean(0))
    torch.testing.assert_close(outputs[2], block(batches[2]))


class Chain(nn.Module):
    """Two layers that share an input, one after them, and an expert for every other batch."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(4, 4, bias=False)
        self.right = nn.Linear(4, 4, bias=False)
        self.last = nn.Linear(4, 4, bias=False)
        self.experts = nn.ModuleList([nn.Linear(4, 4, bias=False)])

    def forward(self, inputs: torch.Tensor, routed: bool) -> torch.Tensor:
        hidden: torch.Tensor = self.last(self.left(inputs) * self.right(inputs))
        return self.experts[0](hidden) if routed else hidden


class PairHalver:
    """Halves the weight, and remembers what was known of the dense stream."""

    def __init__(self) -> None:
        self.cross: dict[str, torch.Tensor | None] = {}

    def __call__(self, layer: LinearLayer, moments: Moments) -> None:
        assert isinstance(moments, CrossMoments)
        self.cross[layer.name] = moments.cross()
        layer.weight.mul_(0.5)


@pytest.mark.parametrize("run", [prune_fused, prune_reference])
def test_each_layer_meets_what_the_dense_model_brings_to_it(
    run: Callable[..., None],
) -> None:
    torch.manual_seed(0)
    block = Chain().requires_grad_(False)
    twin, halver = deepcopy(block), PairHalver()
    pruned, dense = list(torch.randn(3, 5, 4)), list(torch.randn(3, 5, 4))
    moved: dict[int, torch.Tensor] = {}

    def advance_dense(batch: int) -> None:
        moved[batch] = twin(dense[batch], batch % 2 == 0)

    shadow = Shadow(linear_layers(twin), advance_dense, 3)
    run(
        linear_layers(block),
        lambda i: block(pruned[i], i % 2 == 0),
        3,
        halver,
        CrossMoments,
        shadow,
    )

    kept = 0.5 if run is prune_fused else 1.0
    cross = torch.cat(dense).T @ torch.cat(pruned) / 15
    for name in ("left", "right"):
        torch.testing.assert_close(halver.cross[name], cross)
    wide = [twin.left(batch) * twin.right(batch) for batch in (torch.cat(dense), torch.cat(pruned))]
    torch.testing.assert_close(halver.cross["last"], wide[0].T @ wide[1] * kept**2 / 15)
    assert halver.cross["experts.0"] is None
    for batch in range(3):
        torch.testing.assert_close(moved[batch], twin(dense[batch], batch % 2 == 0))


class Backwards(nn.Module):
    """Layers that the forward meets in another order than the module lists them."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 4, bias=False)
        self.first = nn.Linear(4, 4, bias=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.last(self.first(inputs))
        return output


def test_layers_are_paired_in_the_order_of_the_forward() -> None:
    torch.manual_seed(0)
    block = Backwards().requires_grad_(False)
    twin, halver = deepcopy(block), PairHalver()
    pruned, dense = torch.randn(5, 4), torch.randn(5, 4)
    shadow = Shadow(linear_layers(twin), lambda _: twin(dense), 1)

    prune_fused(linear_layers(block), lambda _: block(pruned), 1, halver, CrossMoments, shadow)

    after = [0.5 * twin.first(pruned), twin.first(dense)]
    torch.testing.assert_close(halver.cross["first"], dense.T @ pruned / 5)
    torch.testing.assert_close(halver.cross["last"], after[1].T @ after[0] / 5)


def test_an_error_in_the_dense_stream_comes_out() -> None:
    block, batches = _setting()

    def fail(batch: int) -> None:
        raise RuntimeError(f"lost {batch}")

    shadow = Shadow(linear_layers(deepcopy(block)), fail, 3)
    with pytest.raises(RuntimeError, match="lost 0"):
        prune_fused(
            linear_layers(block), lambda i: block(batches[i], 0), 3, Halver(), CrossMoments, shadow
        )
    assert not any(layer.module._forward_pre_hooks for layer in linear_layers(block))
