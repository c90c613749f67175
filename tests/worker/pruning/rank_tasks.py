"""Tasks for `launch`, in a module that is quick to import."""

import os
import signal
from collections.abc import Generator

import psutil
import torch

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.distributed.ranks import Ranks

Pids = Generator[list[int], None, str]


def exchange(ranks: Ranks, device: torch.device) -> Generator[object, None, str]:
    """Use every way in which ranks exchange values."""
    mine = torch.full((2, 3), float(ranks.rank + 1))
    yield ranks.share_of(range(5)), ranks.is_main
    yield (
        ranks.all_gather(ranks.rank, 7),
        ranks.sum_of(ranks.rank + 2),
        ranks.min_of(5 - ranks.rank),
    )
    yield ranks.all_reduce(mine.T).tolist(), mine.tolist()
    received = torch.zeros(2, 4)
    received[:, ::2] = ranks.rank + 1
    ranks.broadcast(received[:, ::2])
    yield ranks.all_reduce(received).tolist(), str(device)
    yield sorted({address for rank in ranks.all_gather(*_listening()) for address in rank})
    # Of each rank its session, its niceness, and 0 if it leads a process group.
    yield ranks.all_gather(os.getsid(0), os.nice(0), os.getpgid(0) - os.getpid())
    return "done"


def exchange_on_device(ranks: Ranks, device: torch.device) -> Generator[list[float], None, None]:
    """Sum and broadcast tensors on each rank's own GPU."""
    mine = torch.full((2,), float(ranks.rank + 1), device=device)
    yield ranks.all_reduce(mine).tolist()
    ranks.broadcast(mine)
    yield (ranks.all_reduce(mine) / ranks.size).tolist()


def kill_one(ranks: Ranks, device: torch.device) -> Pids:
    """Yield the process ids, then kill rank 1 while rank 0 waits for it."""
    yield _pids(ranks)
    ranks.barrier()  # until rank 0 has yielded
    if ranks.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    ranks.barrier()
    return "not reached"


def exit_early(ranks: Ranks, device: torch.device) -> Pids:
    """Exit rank 0 without an exception."""
    if ranks.is_main:
        os._exit(3)
    ranks.barrier()
    yield _pids(ranks)
    return "not reached"


def raise_error(ranks: Ranks, device: torch.device) -> Pids:
    """Yield the process ids, then raise an error in rank 1."""
    yield _pids(ranks)
    ranks.barrier()  # until rank 0 has yielded
    if ranks.rank == 1:
        raise NotFiniteError("layer 7")
    ranks.barrier()
    return "not reached"


def hang(ranks: Ranks, device: torch.device) -> Pids:
    """Yield the process ids; then rank 1 never reaches the barrier."""
    yield _pids(ranks)
    ranks.barrier()  # until rank 0 has yielded
    if ranks.rank == 1:
        signal.pause()
    ranks.barrier()
    return "not reached"


def _pids(ranks: Ranks) -> list[int]:
    return [pid for (pid,) in ranks.all_gather(os.getpid())]


def _listening() -> list[int]:
    """Return the IPv4 addresses, as numbers, that this process listens on."""
    sockets = psutil.Process().net_connections("inet")
    hosts = [one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN]
    return [int.from_bytes(map(int, host.split("."))) for host in hosts]
