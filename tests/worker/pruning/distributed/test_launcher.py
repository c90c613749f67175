"""Ranks exchange values, and all of them end together."""

import os
import subprocess
import sys
from collections.abc import Iterable

import psutil
import pytest
import torch

from tests.waiting import DEADLINE_S
from tests.worker.pruning.rank_tasks import (
    exchange,
    exchange_on_device,
    exit_early,
    hang,
    kill_one,
    raise_error,
)
from worker.pruning.base.errors import DevicesError, NotFiniteError, RankLostError
from worker.pruning.distributed.launcher import launch, rank_devices
from worker.pruning.distributed.ranks import SINGLE_PROCESS

CPU = torch.device("cpu")
TWO = (CPU, CPU)
LOOPBACK = int.from_bytes((127, 0, 0, 1))


def test_ranks_exchange_values_on_the_loopback_interface_and_lead_groups_of_their_own() -> None:
    steps = launch(exchange, TWO)
    assert next(steps) == ([0, 1], True)
    assert next(steps) == ([(0, 7), (1, 7)], 5, 4)
    assert next(steps) == ([[3.0, 3.0]] * 3, [[1.0] * 3] * 2)
    assert next(steps) == ([[2.0, 0.0, 2.0, 0.0]] * 2, "cpu")
    assert next(steps) == [LOOPBACK]
    assert next(steps) == [(os.getsid(0), os.nice(0), 0)] * 2
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"


def test_a_single_process_gets_its_own_values_back() -> None:
    values = torch.arange(3.0)
    SINGLE_PROCESS.broadcast(values)
    SINGLE_PROCESS.barrier()
    assert SINGLE_PROCESS.is_main
    assert SINGLE_PROCESS.share_of("abc") == ["a", "b", "c"]
    assert SINGLE_PROCESS.all_gather(4, 2) == [(4, 2)]
    assert (SINGLE_PROCESS.sum_of(3), SINGLE_PROCESS.min_of(3)) == (3, 3)
    assert SINGLE_PROCESS.all_reduce(values) is values


def test_the_error_names_a_killed_rank_and_all_ranks_end() -> None:
    steps = launch(kill_one, TWO)
    pids = next(steps)
    with pytest.raises(RankLostError, match="rank 1 of 2 was killed by SIGKILL"):
        next(steps)
    assert not running(pids)


@pytest.mark.usefixtures("forked_ranks")
def test_the_error_names_a_rank_that_exits_early_and_its_code() -> None:
    with pytest.raises(RankLostError, match="rank 0 of 2 exited with code 3"):
        next(launch(exit_early, TWO))


@pytest.mark.usefixtures("forked_ranks")
def test_an_exception_of_a_rank_is_raised_with_its_traceback() -> None:
    steps = launch(raise_error, TWO)
    pids = next(steps)
    with pytest.raises(NotFiniteError, match="layer 7 contains NaN") as raised:
        next(steps)
    assert any("In rank 1" in note and "rank_tasks.py" in note for note in raised.value.__notes__)
    assert not running(pids)


@pytest.mark.usefixtures("forked_ranks")
def test_closing_the_generator_ends_all_ranks() -> None:
    steps = launch(hang, TWO)
    pids = next(steps)
    steps.close()
    assert not running(pids)


def test_ranks_are_killed_with_the_process_that_launched_them() -> None:
    program = """
import torch
from tests.worker.pruning.rank_tasks import hang
from worker.pruning.distributed.launcher import launch

if __name__ == "__main__":
    steps = launch(hang, (torch.device("cpu"),) * 2)
    print(*next(steps), flush=True)
    next(steps)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        ranks = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(ranks) == 2
    _, alive = psutil.wait_procs(ranks, timeout=DEADLINE_S)
    assert not alive


def test_all_ranks_share_the_cpu_but_each_needs_its_own_gpu() -> None:
    assert rank_devices(CPU, 2) == TWO
    too_many = torch.cuda.device_count() + 2
    with pytest.raises(DevicesError, match=f"{too_many} devices were requested"):
        rank_devices(torch.device("cuda"), too_many)
    with pytest.raises(DevicesError, match="cuda:0 is one device, but 2 devices were"):
        rank_devices(torch.device("cuda:0"), 2)


@pytest.mark.gpu
def test_ranks_use_the_gpus_in_order_and_exchange_values() -> None:
    count = torch.cuda.device_count()
    devices = rank_devices(torch.device("cuda"), count)
    assert devices == tuple(torch.device("cuda", rank) for rank in range(count))
    steps = launch(exchange_on_device, devices)
    assert next(steps) == [float(count * (count + 1) // 2)] * 2
    assert next(steps) == [1.0, 1.0]


def running(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]
