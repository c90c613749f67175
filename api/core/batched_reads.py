"""Database reads that concurrent callers share."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BatchedReads(Generic[Key, Value]):
    """Batches reads of one kind: one read gets the values of all keys that callers wait for.

    A caller joins the next read. It never joins a read that has begun, because that read may miss a
    change that the caller already knows of. For use on one event loop.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value | Exception]]],
        at_once: int = 1,
    ) -> None:
        """Create an object that calls ``read`` with the keys of concurrent callers.

        Args:
            read: returns a value or an error for each of the given keys.
            at_once: how many reads may run at once. If each runs on a thread, keep this number
                low, because threads contend for the GIL.
        """
        self._read = read
        self._slots = asyncio.Semaphore(at_once)
        self._keys: dict[Key, None] = {}
        self._next: asyncio.Task[Mapping[Key, Value | Exception]] | None = None

    async def get(self, key: Key) -> Value:
        """Return the key's value, which is no older than this call.

        Raises:
            Exception: the read raised it, or returned it for this key.
        """
        self._keys[key] = None
        if self._next is None:
            self._next = asyncio.create_task(self._read_next(), name="batched read")
        value = (await asyncio.shield(self._next))[key]
        if isinstance(value, Exception):
            raise value.with_traceback(None)
        return value

    async def _read_next(self) -> Mapping[Key, Value | Exception]:
        async with self._slots:
            keys, self._keys, self._next = list(self._keys), {}, None
            return await self._read(keys)
