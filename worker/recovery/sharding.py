"""Parameters that are divided among processes, by torch's FSDP2."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from worker.pruning.distributed.ranks import Ranks


def shard(module: nn.Module, ranks: Ranks, device: torch.device) -> None:
    """Divide a module's parameters among all ranks, by rows.

    Whenever the module runs, its parameters are gathered. Gradients are summed over the ranks. With
    one rank nothing changes.
    """
    if ranks.size == 1:
        return
    mesh = init_device_mesh(device.type, (ranks.size,))
    sharded = fully_shard(module, mesh=mesh, reshard_after_forward=True)
    sharded.set_gradient_divide_factor(1.0)
    sharded.set_force_sum_reduction_for_comms(True)


@contextmanager
def whole(module: nn.Module) -> Iterator[None]:
    """Gather all parameters of a module on each rank for the body of the ``with`` statement."""
    if not isinstance(module, FSDPModule):
        yield
        return
    module.unshard()
    try:
        yield
    finally:
        module.reshard()


def own_part(tensor: Tensor) -> Tensor:
    """Return a view of this rank's rows of a divided tensor; return other tensors unchanged."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def part_like(tensor: Tensor, divided: Tensor) -> Tensor:
    """Return the rows of a whole tensor that correspond to this rank's rows of ``divided``."""
    if not isinstance(divided, DTensor):
        return tensor
    mesh = divided.device_mesh
    parts, rank = torch.chunk(tensor, mesh.size()), mesh.get_local_rank()
    return parts[rank] if rank < len(parts) else tensor[:0]


def divided_like(tensor: Tensor, divided: Tensor) -> Tensor:
    """Divide a tensor, which is whole on all ranks, in the same way as ``divided``."""
    if not isinstance(divided, DTensor):
        return tensor
    mesh, placements = divided.device_mesh, divided.placements
    return distribute_tensor(tensor, mesh, placements, src_data_rank=None)


def gathered(tensor: Tensor) -> Tensor:
    """Return all rows of a tensor; all ranks have to call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
