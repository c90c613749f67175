"""Several processes for one piece of work: what they agree on, and how they end."""

import subprocess
import sys
from collections.abc import Iterable

import psutil
import pytest
import torch

from tests.worker.pruning.crews import agree, agree_on_device, fail, leave, lose_one, wait_for_ever
from worker.pruning.base.errors import DevicesError, NotFiniteError, RankLostError
from worker.pruning.distributed.launcher import launch, rank_devices
from worker.pruning.distributed.ranks import SINGLE_PROCESS

CPU = torch.device("cpu")
TWO = (CPU, CPU)
LOOPBACK = int.from_bytes((127, 0, 0, 1))


def test_ranks_agree_and_listen_on_loopback_alone() -> None:
    steps = launch(agree, TWO)
    assert next(steps) == ([0, 1], True)
    assert next(steps) == ([(0, 7), (1, 7)], 5, 4)
    assert next(steps) == ([[3.0, 3.0]] * 3, [[1.0] * 3] * 2)
    assert next(steps) == ([[2.0, 0.0, 2.0, 0.0]] * 2, "cpu")
    assert next(steps) == [LOOPBACK]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"


def test_one_alone_agrees_with_itself() -> None:
    values = torch.arange(3.0)
    SINGLE_PROCESS.broadcast(values)
    SINGLE_PROCESS.barrier()
    assert SINGLE_PROCESS.is_main
    assert SINGLE_PROCESS.share_of("abc") == ["a", "b", "c"]
    assert SINGLE_PROCESS.all_gather(4, 2) == [(4, 2)]
    assert (SINGLE_PROCESS.sum_of(3), SINGLE_PROCESS.min_of(3)) == (3, 3)
    assert SINGLE_PROCESS.all_reduce(values) is values


def test_a_killed_rank_ends_all_and_is_named() -> None:
    steps = launch(lose_one, TWO)
    pids = next(steps)
    with pytest.raises(RankLostError, match="rank 1 of 2 was killed by SIGKILL"):
        next(steps)
    assert not running(pids)


def test_a_rank_that_leaves_without_a_word_is_named() -> None:
    with pytest.raises(RankLostError, match="rank 0 of 2 left with 3"):
        next(launch(leave, TWO))


def test_what_a_rank_raises_comes_out_with_its_traceback() -> None:
    steps = launch(fail, TWO)
    pids = next(steps)
    with pytest.raises(NotFiniteError, match="layer 7 holds NaN") as raised:
        next(steps)
    assert any("In rank 1" in note and "crews.py" in note for note in raised.value.__notes__)
    assert not running(pids)


def test_a_caller_that_stops_asking_ends_all() -> None:
    steps = launch(wait_for_ever, TWO)
    pids = next(steps)
    steps.close()
    assert not running(pids)


def test_ranks_do_not_outlive_who_launched_them() -> None:
    program = """
import torch
from tests.worker.pruning.crews import wait_for_ever
from worker.pruning.distributed.launcher import launch

if __name__ == "__main__":
    steps = launch(wait_for_ever, (torch.device("cpu"),) * 2)
    print(*next(steps), flush=True)
    next(steps)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        ranks = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(ranks) == 2
    _, alive = psutil.wait_procs(ranks, timeout=60)
    assert not alive


def test_a_cpu_is_shared_and_gpus_are_counted() -> None:
    assert rank_devices(CPU, 2) == TWO
    too_many = torch.cuda.device_count() + 2
    with pytest.raises(DevicesError, match=f"{too_many} devices were asked for"):
        rank_devices(torch.device("cuda"), too_many)
    with pytest.raises(DevicesError, match="cuda:0 is one device, 2 were asked for"):
        rank_devices(torch.device("cuda:0"), 2)


@pytest.mark.gpu
def test_gpus_are_taken_in_order_and_agree() -> None:
    count = torch.cuda.device_count()
    places = rank_devices(torch.device("cuda"), count)
    assert places == tuple(torch.device("cuda", rank) for rank in range(count))
    steps = launch(agree_on_device, places)
    assert next(steps) == [float(count * (count + 1) // 2)] * 2
    assert next(steps) == [1.0, 1.0]


def running(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]
