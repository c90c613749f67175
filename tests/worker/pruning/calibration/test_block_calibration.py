"""The calibration of one block, compared with forwards written out."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from tests.worker.pruning.calibration.experts import Experts, Halver
from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.planning.workload import Propagation
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.input_moments import InputMoments

INPUTS = InputCollector(InputMoments)


def _setting() -> tuple[Experts, list[torch.Tensor]]:
    torch.manual_seed(0)
    return Experts().requires_grad_(False), list(torch.randn(3, 5, 4))


def test_fused_takes_the_moments_of_inputs_from_pruned_layers() -> None:
    block, batches = _setting()
    halver, outputs = Halver(), {}
    dense = block.first.weight.clone()

    def forward(batch: int) -> None:
        outputs[batch] = block(batches[batch], batch % 2)

    BlockCalibration(linear_layers(block), forward, len(batches), halver, INPUTS).run_fused()

    assert halver.tokens == {"first": 15, "experts.0": 10, "experts.1": 5, "experts.2": 0}
    hidden = torch.cat([batches[0], batches[2]]) @ (0.5 * dense).T
    torch.testing.assert_close(halver.sq_mean["experts.0"], hidden.square().mean(0))
    torch.testing.assert_close(outputs[1], block(batches[1], 1))


def test_reference_takes_the_moments_of_inputs_from_the_dense_block() -> None:
    block, batches = _setting()
    halver = Halver()
    dense = block.first.weight.clone()

    def forward(batch: int) -> None:
        block(batches[batch], batch % 2)

    BlockCalibration(linear_layers(block), forward, len(batches), halver, INPUTS).run_reference()

    hidden = torch.cat([batches[0], batches[2]]) @ dense.T
    torch.testing.assert_close(halver.sq_mean["experts.0"], hidden.square().mean(0))


def test_the_hooks_are_removed() -> None:
    block, batches = _setting()
    calibration = BlockCalibration(
        linear_layers(block), lambda i: block(batches[i], 0), 3, Halver(), INPUTS
    )
    calibration.run_fused()
    assert not any(layer.module._forward_pre_hooks for layer in linear_layers(block))


def test_an_error_in_one_batch_is_raised_and_the_hooks_are_removed() -> None:
    block, batches = _setting()

    def forward(batch: int) -> None:
        hidden = block(batches[batch], 0)
        if batch == 1:
            raise RuntimeError(f"lost after {tuple(hidden.shape)}")

    with pytest.raises(RuntimeError, match="lost after"):
        BlockCalibration(linear_layers(block), forward, 3, Halver(), INPUTS).run_fused()
    assert not any(layer.module._forward_pre_hooks for layer in linear_layers(block))


class Direct(nn.Module):
    """Uses one layer's weight without calling the layer, as Mamba does, and calls another."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4, bias=False)
        self.last = nn.Linear(4, 4, bias=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.last((self.step.weight @ inputs.mT).mT)
        return output


def test_a_layer_that_is_not_called_is_pruned_before_any_batch_runs() -> None:
    torch.manual_seed(0)
    block, batches = Direct().requires_grad_(False), list(torch.randn(3, 5, 4))
    halver, outputs = Halver(), {}
    dense = block.step.weight.clone()

    def forward(batch: int) -> None:
        outputs[batch] = block(batches[batch])

    calibration = BlockCalibration(linear_layers(block), forward, 3, halver, INPUTS)
    calibration.run_fused(probe=lambda: block(batches[0][:2]))

    assert halver.tokens == {"step": 0, "last": 15}
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
    """Halves the weights, and records the cross moments with the dense stream."""

    def __init__(self) -> None:
        self.cross: dict[str, torch.Tensor | None] = {}

    def __call__(self, layer: LinearLayer, moments: CrossMoments) -> None:
        self.cross[layer.name] = moments.cross()
        layer.weight.mul_(0.5)


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_each_layers_inputs_are_paired_with_those_of_the_dense_model(
    propagation: Propagation,
) -> None:
    torch.manual_seed(0)
    block = Chain().requires_grad_(False)
    twin, halver = deepcopy(block), PairHalver()
    pruned, dense = list(torch.randn(3, 5, 4)), list(torch.randn(3, 5, 4))
    moved: dict[int, torch.Tensor] = {}

    def advance_dense(batch: int) -> None:
        moved[batch] = twin(dense[batch], batch % 2 == 0)

    def forward(batch: int) -> None:
        block(pruned[batch], batch % 2 == 0)

    dense_block = DenseBlock(linear_layers(twin), advance_dense, 3)
    calibration = BlockCalibration(linear_layers(block), forward, 3, halver, dense_block)
    if propagation == "fused":
        calibration.run_fused()
    else:
        calibration.run_reference()

    kept = 0.5 if propagation == "fused" else 1.0
    cross = torch.cat(dense).T @ torch.cat(pruned) / 15
    for name in ("left", "right"):
        torch.testing.assert_close(halver.cross[name], cross)
    wide = [twin.left(batch) * twin.right(batch) for batch in (torch.cat(dense), torch.cat(pruned))]
    torch.testing.assert_close(halver.cross["last"], wide[0].T @ wide[1] * kept**2 / 15)
    assert halver.cross["experts.0"] is None
    for batch in range(3):
        torch.testing.assert_close(moved[batch], twin(dense[batch], batch % 2 == 0))


class Backwards(nn.Module):
    """Layers that the forward calls in another order than the module lists them."""

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
    dense_block = DenseBlock(linear_layers(twin), lambda _: twin(dense), 1)

    BlockCalibration(
        linear_layers(block), lambda _: block(pruned), 1, halver, dense_block
    ).run_fused()

    after = [0.5 * twin.first(pruned), twin.first(dense)]
    torch.testing.assert_close(halver.cross["first"], dense.T @ pruned / 5)
    torch.testing.assert_close(halver.cross["last"], after[1].T @ after[0] / 5)


def test_an_error_in_the_dense_stream_is_raised() -> None:
    block, batches = _setting()

    def fail(batch: int) -> None:
        raise RuntimeError(f"lost {batch}")

    dense_block = DenseBlock(linear_layers(deepcopy(block)), fail, 3)
    calibration = BlockCalibration(
        linear_layers(block), lambda i: block(batches[i], 0), 3, PairHalver(), dense_block
    )
    with pytest.raises(RuntimeError, match="lost 0"):
        calibration.run_fused()
    assert not any(layer.module._forward_pre_hooks for layer in linear_layers(block))
