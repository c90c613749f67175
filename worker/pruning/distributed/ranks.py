"""Communication among the processes that share one sweep or one recovery."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch
import torch.distributed as dist
from torch import Tensor

from worker.pruning.base.errors import RankLostError

Item = TypeVar("Item")

# Long, because a rank waits while another one computes. `launch` detects processes that end.
_TIMEOUT = timedelta(days=7)


class Ranks:
    """One of ``size`` processes that work on the same model, each with a share of the windows.

    Every rank runs the forward passes of its own windows; with GPUs, each rank has its own GPU.
    Statistics are summed over all ranks. Only rank 0 prunes, writes and reports. The other ranks
    receive the pruned weights from rank 0, so that rounding differences between devices cannot make
    the ranks diverge.

    Integers are exchanged through host memory, so that their exchange does not wait for a device;
    tensors are exchanged through their devices. All ranks must call the methods that communicate in
    the same order. With one rank, every method returns without communication.

    Attributes:
        rank: index of this process, from 0.
        size: number of processes.

    Raises:
        RankLostError: from any method that communicates, if another rank has ended.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which prunes, writes and reports."""
        return self.rank == 0

    def share_of(self, items: Sequence[Item]) -> list[Item]:
        """Return this rank's slice of the items, possibly empty; the slices are in rank order."""
        first, end = (len(items) * rank // self.size for rank in (self.rank, self.rank + 1))
        return list(items[first:end])

    def all_gather(self, *numbers: int) -> list[tuple[int, ...]]:
        """Return the ``numbers`` that each rank passes, in rank order."""
        if self.size == 1:
            return [numbers]
        own = torch.tensor(numbers, dtype=torch.int64)
        gathered = [torch.empty_like(own) for _ in range(self.size)]
        with _lost_rank_errors():
            dist.all_gather(gathered, own)
        return [tuple(values.tolist()) for values in gathered]

    def sum_of(self, number: int) -> int:
        """Return the sum of ``number`` over all ranks."""
        return sum(numbers[0] for numbers in self.all_gather(number))

    def min_of(self, number: int) -> int:
        """Return the minimum of ``number`` over all ranks."""
        return min(numbers[0] for numbers in self.all_gather(number))

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the elementwise sum over all ranks, bit for bit the same on every rank.

        Args:
            values: same shape and dtype on each rank; not modified.
        """
        if self.size == 1:
            return values
        total = values.clone(memory_format=torch.contiguous_format)
        with _lost_rank_errors():
            dist.all_reduce(total)
        return total

    def concatenate(self, values: Tensor) -> Tensor:
        """Return the values of all ranks in rank order, bit for bit the same on every rank.

        Args:
            values: ``[n]``, with the same dtype on each rank; ``n`` may differ.
        """
        counts = [count for (count,) in self.all_gather(len(values))]
        start = sum(counts[: self.rank])
        placed = values.new_zeros(sum(counts))
        placed[start : start + len(values)] = values
        return self.all_reduce(placed)

    def broadcast(self, values: Tensor) -> None:
        """Overwrite ``values`` by those of rank 0; all ranks must pass the same shape and dtype."""
        if self.size == 1:
            return
        received = values.contiguous()
        with _lost_rank_errors():
            dist.broadcast(received, src=0)
        if received is not values:
            values.copy_(received)

    def run_on_main(self, action: Callable[[], Item]) -> Item:
        """Call ``action`` on rank 0 only, and return its result on every rank."""
        if self.size == 1:
            return action()
        shared: list[Any] = [action() if self.is_main else None]
        with _lost_rank_errors():
            dist.broadcast_object_list(shared, src=0, device=torch.device("cpu"))
        result: Item = shared[0]
        return result

    def barrier(self) -> None:
        """Wait until all ranks have called this."""
        self.sum_of(0)


SINGLE_PROCESS = Ranks()


@contextmanager
def process_group(rank: int, size: int, store: Path, device: torch.device) -> Iterator[Ranks]:
    """Join the process group of this machine's ranks; leave it at the end of the ``with`` body.

    If the body raises an error, the group is not left, because that would wait for the other ranks.

    Args:
        rank: index of this process.
        size: number of processes.
        store: path of a file that no earlier process group has used, the same for all ranks.
        device: the device of this rank; each CUDA rank needs its own GPU.

    Raises:
        RankLostError: this rank cannot connect to the others, or the machine has no loopback
            interface.
    """
    loopback = _loopback()
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _lost_rank_errors():
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            init_method=store.as_uri(),
            rank=rank,
            world_size=size,
            timeout=_TIMEOUT,
            device_id=device if device.type == "cuda" else None,
        )
    yield Ranks(rank, size)
    # Not in a `finally`: after an error this would wait for ranks that wait for this one.
    dist.destroy_process_group()


@contextmanager
def _lost_rank_errors() -> Iterator[None]:
    """Turn the error that torch raises for a broken connection into a `RankLostError`."""
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(f"another rank ended: {error}") from error


def _loopback() -> str:
    """Return the name of the loopback interface, so that torch uses no other interface."""
    for name, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family == socket.AF_INET and address.address == "127.0.0.1":
                return name
    raise RankLostError(
        "this machine has no loopback interface, which the ranks need to connect to each other"
    )
