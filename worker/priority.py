"""The CPU priority of computations: a busy worker must not slow down an API on the same machine.

On Linux each thread has a niceness of its own, which the threads and processes that it starts
inherit, and which it may raise but, without privileges, never lower again. So a worker computes in
a thread of its own, and only this thread and those that it starts give way to other processes. All
other threads keep the usual priority: those that write to the database, whose lock the API may wait
for, and those that renew a lease.
"""

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
P = ParamSpec("P")
_THREADS = Path("/proc/self/task")


class ComputeThread:
    """A thread for the computations of a process; a context manager.

    Args:
        nice: the niceness of the thread after `lower_priority`; 0 leaves it as it is.
    """

    def __init__(self, nice: int) -> None:
        self._nice, self._others, self._is_lowered = nice, _threads(), False
        self._context = copy_context()
        self._executor = ThreadPoolExecutor(1, "compute")

    def run(self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Call a function in the thread, wait, and return its result or raise its error."""
        call = partial(function, *args, **kwargs)
        return self._executor.submit(lambda: self._context.run(call)).result()

    def iterate(self, items: Generator[Item, None, Result]) -> Generator[Item, None, Result]:
        """Yield what a generator yields and return what it returns; the generator runs here."""
        try:
            while True:
                try:
                    item = self.run(next, items)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                yield item
        finally:
            self.run(items.close)

    def lower_priority(self) -> None:
        """Lower the priority of the thread, and of all threads that were started since it was.

        Does nothing on systems other than Linux. A lower priority that was set before is kept.
        """
        if not self._is_lowered:
            self.run(self._lower)  # there, so that the thread exists
            self._is_lowered = True

    def _lower(self) -> None:
        for thread in _threads() - self._others:
            with suppress(ProcessLookupError):
                if os.getpriority(os.PRIO_PROCESS, thread) < self._nice:
                    os.setpriority(os.PRIO_PROCESS, thread, self._nice)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()


def _threads() -> set[int]:
    """Return the ids of this process's threads, as Linux numbers them."""
    if not _THREADS.is_dir():
        return set()
    return {int(thread.name) for thread in _THREADS.iterdir()}
