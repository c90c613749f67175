"""Separate threads for requests that write to the database.

While the database is locked, such requests wait without occupying the threads of requests that only
read.
"""

import asyncio
import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi.routing import APIRoute

from api.core.problem_response import ProblemError
from api.core.scopes import READING
from db.problems.service import BUSY

WRITERS = 24
MAX_WAIT_S = 4.0
"""How long a request waits for a writer thread before it fails."""

P = ParamSpec("P")
Result = TypeVar("Result")


class _Pool:
    """The writer threads of one event loop."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(WRITERS)
        self.threads = CapacityLimiter(WRITERS)


_pool: RunVar[_Pool] = RunVar("writers")


async def run_writer(work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Use a writer thread to run a function that may write to the database.

    Raises:
        ProblemError: no thread became free in time.
    """
    pool = _this_pool()
    try:
        async with asyncio.timeout(MAX_WAIT_S):
            await pool.slots.acquire()
    except TimeoutError:
        detail = f"{WRITERS} changes are being written, and none ended within {MAX_WAIT_S:g} s."
        raise ProblemError(BUSY.problem(detail), {"retry-after": "5"}) from None
    try:
        return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=pool.threads)
    finally:
        pool.slots.release()


class WritingRoute(APIRoute):
    """Runs non-async endpoints of unsafe methods on writer threads.

    Other endpoints run as FastAPI usually runs them.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: set[str] | list[str] | None = None,
        **options: Any,
    ) -> None:
        if not READING.issuperset(methods or {"GET"}) and not inspect.iscoroutinefunction(endpoint):
            endpoint = _on_writer(endpoint)
        super().__init__(path, endpoint, methods=methods, **options)


def _on_writer(endpoint: Callable[P, Result]) -> Callable[P, Any]:
    @wraps(endpoint)
    async def run(*args: P.args, **kwargs: P.kwargs) -> Result:
        return await run_writer(endpoint, *args, **kwargs)

    return run


def _this_pool() -> _Pool:
    try:
        return _pool.get()
    except LookupError:
        pool = _Pool()
        _pool.set(pool)
        return pool
