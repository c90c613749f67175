"""The processes that share one sweep, and all that they say to each other."""

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

# A rank may wait for as long as another computes; who launched them sees when one dies.
_PATIENCE = timedelta(days=7)


class Ranks:
    """One process among ``size`` that sweep the same model, each with a share of the windows.

    Every rank computes the forwards of its own windows, on a device of its own. Statistics are
    summed over all of them. Rank 0 alone prunes, writes and reports; the others take the pruned
    weights from it, so that none can come to differ by a device's rounding.

    Counts go over the host, sums and weights over the devices, so that what the hosts agree on
    waits for no device. All ranks have to call the same methods in the same order.

    Attributes:
        rank: which one this is, from 0.
        size: how many there are; one alone has nobody to talk to, and every method returns at once.

    Raises:
        RankLostError: from any method, when another rank has ended.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_main(self) -> bool:
        """Whether this is the rank that prunes, writes and reports."""
        return self.rank == 0

    def share_of(self, items: Sequence[Item]) -> list[Item]:
        """Return this rank's run of the items, which may be empty; the runs follow each other."""
        first, end = (len(items) * rank // self.size for rank in (self.rank, self.rank + 1))
        return list(items[first:end])

    def all_gather(self, *counts: int) -> list[tuple[int, ...]]:
        """Return the counts that each rank gave, in the order of the ranks."""
        if self.size == 1:
            return [counts]
        given = torch.tensor(counts, dtype=torch.int64)
        found = [torch.empty_like(given) for _ in range(self.size)]
        with _talking():
            dist.all_gather(found, given)
        return [tuple(values.tolist()) for values in found]

    def sum_of(self, number: int) -> int:
        """Return the sum of the numbers that the ranks gave."""
        return sum(numbers[0] for numbers in self.all_gather(number))

    def min_of(self, number: int) -> int:
        """Return the smallest of the numbers that the ranks gave."""
        return min(numbers[0] for numbers in self.all_gather(number))

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, bit for bit the same on each; ``values`` stay."""
        if self.size == 1:
            return values
        total = values.clone(memory_format=torch.contiguous_format)
        with _talking():
            dist.all_reduce(total)
        return total

    def broadcast(self, values: Tensor) -> None:
        """Overwrite the values with those of rank 0."""
        if self.size == 1:
            return
        taken = values.contiguous()
        with _talking():
            dist.broadcast(taken, src=0)
        if taken is not values:
            values.copy_(taken)

    def run_on_main(self, act: Callable[[], Item]) -> Item:
        """Let rank 0 act, and return to all what it returned."""
        if self.size == 1:
            return act()
        box: list[Any] = [act() if self.is_main else None]
        with _talking():
            dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        result: Item = box[0]  # rank 0's, on all
        return result

    def barrier(self) -> None:
        """Return when all have called this."""
        self.sum_of(0)  # of nothing at all, no one would wait


SINGLE_PROCESS = Ranks()


@contextmanager
def joined(rank: int, size: int, store: Path, device: torch.device) -> Iterator[Ranks]:
    """Meet the other ranks of this machine, through a file that all can see.

    Args:
        rank: which one this process is.
        size: how many will come.
        store: a file that does not exist yet, the same for all.
        device: what this rank computes on; on CUDA a GPU of its own.

    Raises:
        RankLostError: another rank ended before it came.
    """
    loopback = _loopback()
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _talking():
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            init_method=store.as_uri(),
            rank=rank,
            world_size=size,
            timeout=_PATIENCE,
            device_id=device if device.type == "cuda" else None,
        )
    yield Ranks(rank, size)
    # Not after an error: it would wait for ranks that wait for this one.
    dist.destroy_process_group()


@contextmanager
def _talking() -> Iterator[None]:
    """Call what torch raises, when a connection breaks, by its cause."""
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(f"another rank ended: {error}") from error


def _loopback() -> str:
    """Return the interface that nobody beyond this machine reaches; others would listen on all."""
    for name, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family == socket.AF_INET and address.address == "127.0.0.1":
                return name
    raise RankLostError("this machine has no loopback interface for the ranks to meet on")
