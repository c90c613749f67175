"""Reads of rows that concurrent callers share."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

AT_ONCE = 4
"""Reads at once; more threads would contend for the interpreter. Meanwhile equal reads merge."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedReads(Generic[Key, Value]):
    """One kind of read, on threads of one event loop.

    Callers that ask for the same key share a read that has not begun. A read that has begun is not
    shared: it may miss a change that the caller already knows of.
    """

    def __init__(self, read: Callable[[Key], Value]) -> None:
        self._read = read
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """Return what the rows hold at some moment after this call.

        Raises:
            Exception: any that the read raises.
        """
        task = self._waiting.get(key)
        if task is None:
            task = asyncio.create_task(self._read_in_slot(key), name="shared read")
            self._waiting[key] = task
        return await asyncio.shield(task)

    async def _read_in_slot(self, key: Key) -> Value:
        async with self._slots:
            del self._waiting[key]
            return await run_in_threadpool(self._read, key)
