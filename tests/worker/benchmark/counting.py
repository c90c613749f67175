"""A clock that counts operations, so that tests of speed need no time."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.flop_counter import FlopCounterMode

from worker.benchmark.runtime import Clock


@contextmanager
def operations_clock() -> Iterator[Clock]:
    """Yield a clock whose seconds are the floating-point operations of the ``with`` body so far."""
    with FlopCounterMode(display=False) as counter:
        yield lambda: float(counter.get_total_flops())
