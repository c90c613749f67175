"""Reads of rows that many callers wait for together."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

AT_ONCE = 4
"""More threads would contend for the interpreter; meanwhile callers who want the same meet."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedReads(Generic[Key, Value]):
    """One kind of read. Lives on an event loop, reads on its threads.

    Whoever asks for what another read will ask for, once its turn has come, shares that read. One
    that has begun is not shared: it may have missed what the caller already knows of.
    """

    def __init__(self, read: Callable[[Key], Value]) -> None:
        self._read = read
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """Return what the rows hold at some moment after this call.

        Raises:
            Exception: whatever the read does.
        """
        task = self._waiting.get(key)
        if task is None:
            task = asyncio.create_task(self._in_turn(key), name="shared read")
            self._waiting[key] = task
        return await asyncio.shield(task)

    async def _in_turn(self, key: Key) -> Value:
        async with self._turns:
            del self._waiting[key]
            return await run_in_threadpool(self._read, key)
