"""How long processes run on a processor, and how long they wait for one, as Linux counts it."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class CpuTime:
    """Seconds of one thread since its start, or of several within a time.

    Attributes:
        run_s: the seconds on a processor.
        wait_s: the seconds in which the threads could have run, but other threads had the
            processors. Sleeping, and waiting for a file or a lock, does not count.
    """

    run_s: float = 0.0
    wait_s: float = 0.0


def thread_times(pid: int | str = "self") -> dict[int, CpuTime]:
    """Return the times of each thread of a process, by the thread's id.

    The result is empty if the process has ended, and on systems other than Linux.
    """
    times: dict[int, CpuTime] = {}
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):  # it has just ended
                run_ns, wait_ns, *_ = (thread / "schedstat").read_text().split()
                times[int(thread.name)] = CpuTime(int(run_ns) / 1e9, int(wait_ns) / 1e9)
    return times


def total_between(before: Mapping[int, CpuTime], after: Mapping[int, CpuTime]) -> CpuTime:
    """Return the times of all threads together between two calls of `thread_times`."""
    none = CpuTime()
    gained = [(later, before.get(thread, none)) for thread, later in after.items()]
    return CpuTime(
        sum(later.run_s - earlier.run_s for later, earlier in gained),
        sum(later.wait_s - earlier.wait_s for later, earlier in gained),
    )


def longest_wait_s(before: Mapping[int, CpuTime], after: Mapping[int, CpuTime]) -> float:
    """Return for how long a thread waited for a processor between two calls of `thread_times`.

    Of several threads, the one that waited longest counts. A thread that is missing ``before``
    counts from its start.
    """
    none = CpuTime()
    return max(
        (after[thread].wait_s - before.get(thread, none).wait_s for thread in after), default=0.0
    )


class FairClock:
    """Measures how long a process has had for its work: a slow process is not a stuck one.

    It counts seconds, but not those in which a thread of the process waited for a processor: on a
    busy machine, a process needs many times as long for the same work. Where the system does not
    count waiting, it counts all seconds.
    """

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid, self._clock = pid, clock
        self._began, self._times = clock(), thread_times(pid)

    def read(self) -> float:
        """Return the seconds that count since the creation of this object."""
        waited_s = longest_wait_s(self._times, thread_times(self._pid))
        return self._clock() - self._began - waited_s
