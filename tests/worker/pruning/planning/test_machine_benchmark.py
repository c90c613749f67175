"""The speed of a machine is that of its fastest runs."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
import torch

from worker.pruning.planning import machine_benchmark
from worker.pruning.planning.machine_benchmark import benchmark, sustained

CPU = torch.device("cpu")
SLOW = (1, 50, 1000)
"""How many times longer each third run takes, because other programs have the processors."""


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all work take 0.01 seconds, but two of three runs far longer."""
    slower = cycle(SLOW)
    done: set[str] = set()

    def timed(run: Callable[[], object]) -> float:
        if run.__qualname__ not in done:
            done.add(run.__qualname__)
            run()
        return 0.01 * next(slower)

    monkeypatch.setattr(machine_benchmark, "timed", timed)


@pytest.mark.usefixtures("seconds")
def test_runs_that_other_programs_slow_down_do_not_count(tmp_path: Path) -> None:
    speed = benchmark(tmp_path, CPU, torch.float32)
    assert speed.calls == pytest.approx(machine_benchmark.CALLS / 0.01)
    assert speed.forward_matmul == pytest.approx(2 * 512 * 1024 * 2048 / 0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize("kind", ["fp32_matmul", "calls"])
def test_all_runs_count_for_what_the_machine_does_now(kind: str, tmp_path: Path) -> None:
    now = sustained(kind, CPU, 30.0)
    best = getattr(benchmark(tmp_path, CPU, torch.float32), kind)
    assert now == pytest.approx(best * 3 / sum(SLOW))


def test_every_kind_of_work_has_a_speed(tmp_path: Path) -> None:
    assert min(vars(benchmark(tmp_path, CPU, torch.float32)).values()) > 0
