import pytest
import torch
from torch import Tensor, nn

from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.refinement.trained_weight import TrainedWeight


def trained(stored: Tensor, dtype: torch.dtype) -> tuple[TrainedWeight, nn.Parameter]:
    """Return a weight that is trained, and the parameter of the forward."""
    rows, columns = stored.shape
    block = nn.Sequential(nn.Linear(columns, rows, bias=False, dtype=dtype))
    parameter = block.get_parameter("0.weight")
    parameter.requires_grad_(False)
    parameter.data = stored.to(dtype)  # the stored weight itself where it is of this dtype
    return TrainedWeight(parameter, stored, linear_layers(block)), parameter


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("forward", [torch.float32, torch.bfloat16])
def test_the_stored_weight_changes_only_when_a_state_is_kept(
    stored: torch.dtype, forward: torch.dtype
) -> None:
    before = torch.tensor([[1.0, 0.0], [-2.0, 0.5]], dtype=stored)
    best = before.clone()
    weight, parameter = trained(best, forward)
    weight.master.add_(torch.tensor([[0.3, 0.0], [0.3, 0.3]]))
    weight.use_master()
    torch.testing.assert_close(parameter.data, weight.master.to(forward))
    assert torch.equal(best, before)

    weight.use_rounded()
    torch.testing.assert_close(parameter.data, weight.master.to(stored).to(forward), rtol=0, atol=0)
    weight.store()
    torch.testing.assert_close(best, weight.master.to(stored), rtol=0, atol=0)
    weight.master.mul_(3)
    weight.use_master()
    weight.restore()
    torch.testing.assert_close(parameter.data, best.to(forward), rtol=0, atol=0)
    assert not parameter.requires_grad


@pytest.mark.parametrize("forward", [torch.float32, torch.bfloat16])
def test_a_pruned_weight_gets_no_gradient(forward: torch.dtype) -> None:
    weight, parameter = trained(torch.tensor([[1.0, 0.0], [0.0, 0.5]]), forward)
    parameter.grad = torch.full((2, 2), 8.0, dtype=forward)
    weight.take_gradient(SINGLE_PROCESS, scale=4.0)
    assert weight.master.grad is not None
    assert weight.master.grad.tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert parameter.grad is None


def test_a_weight_without_a_gradient_gets_zeros() -> None:
    weight, _ = trained(torch.ones(2, 2), torch.float32)
    weight.take_gradient(SINGLE_PROCESS, scale=4.0)
    assert weight.master.grad is not None
    assert not weight.master.grad.any()


def test_a_kept_weight_that_would_be_rounded_to_zero_stays_apart_from_it() -> None:
    best = torch.tensor([[1.0, 0.0]], dtype=torch.float16)
    weight, _ = trained(best, torch.float32)
    weight.master.copy_(torch.tensor([[1e-12, 0.0]]))
    weight.store()
    assert best[0, 0] == torch.finfo(torch.float16).tiny
    assert best[0, 1] == 0
