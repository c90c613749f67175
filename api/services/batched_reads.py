"""Reads of rows that concurrent callers share."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BatchedReads(Generic[Key, Value]):
    """One kind of read, of all keys that callers wait for; for use on one event loop.

    A caller joins the read that has not begun. It never joins one that has begun, because that one
    may miss a change that the caller already knows of.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value | Exception]]],
        at_once: int = 1,
    ) -> None:
        """Use ``read``, which returns a value or an error for each key.

        Args:
            read: reads some keys.
            at_once: how many reads may run at once; threads contend for the interpreter.
        """
        self._read = read
        self._slots = asyncio.Semaphore(at_once)
        self._keys: dict[Key, None] = {}
        self._next: asyncio.Task[Mapping[Key, Value | Exception]] | None = None

    async def get(self, key: Key) -> Value:
        """Return what the rows hold at some moment after this call.

        Raises:
            Exception: any that the read raises, or returns for this key.
        """
        self._keys[key] = None
        if self._next is None:
            self._next = asyncio.create_task(self._read_next(), name="batched read")
        found = (await asyncio.shield(self._next))[key]
        if isinstance(found, Exception):
            raise found.with_traceback(None)
        return found

    async def _read_next(self) -> Mapping[Key, Value | Exception]:
        async with self._slots:
            keys, self._keys, self._next = list(self._keys), {}, None
            return await self._read(keys)
