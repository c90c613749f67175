"""Event loops of tests."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def in_a_loop(act: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, run on a thread of its own.

    On the main thread a loop runs already once a test before has driven a browser.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, act).result()
