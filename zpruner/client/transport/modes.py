"""One source for the client that blocks and the one that is awaited.

Everything that asks the service is written once, as coroutines over a transport. `operation` and
`iteration` make methods of them: plain ones for a client that blocks, and for one that is awaited
coroutines and asynchronous iterators.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper, wraps
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, overload

from typing_extensions import TypeVar


class Sync:
    """Marks what waits."""


class Async:
    """Marks what is awaited."""


P = ParamSpec("P")
T = TypeVar("T")
Mode = TypeVar("Mode", default=Sync)


class Bound(Generic[Mode]):
    """Belongs to one client, whose transport says how it waits."""

    _transport: Any


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Make a method of a coroutine function."""

    def __init__(self, act: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._act = act
        update_wrapper(self, act)  # type: ignore[arg-type]

    @overload
    def __get__(self, bound: None, owner: type[Any]) -> "operation[P, T]": ...
    @overload
    def __get__(self, bound: Bound[Sync], owner: type[Any]) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, bound: Bound[Async], owner: type[Any]
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, bound: Any, owner: type[Any]) -> Any:
        """Return the method of one object."""
        if bound is None:
            return self

        return _through(bound, self._act, "run")


class iteration(Generic[P, T]):  # noqa: N801 - a decorator
    """Make a method of an asynchronous generator function."""

    def __init__(self, act: Callable[Concatenate[Any, P], AsyncIterator[T]]) -> None:
        self._act = act
        update_wrapper(self, act)  # type: ignore[arg-type]

    @overload
    def __get__(self, bound: None, owner: type[Any]) -> "iteration[P, T]": ...
    @overload
    def __get__(self, bound: Bound[Sync], owner: type[Any]) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, bound: Bound[Async], owner: type[Any]) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, bound: Any, owner: type[Any]) -> Any:
        """Return the method of one object."""
        if bound is None:
            return self

        return _through(bound, self._act, "iterate")


def _through(bound: Any, act: Callable[..., Any], way: str) -> Callable[..., Any]:
    """Return a method of an object that goes through its transport."""
    plain = MethodType(act, bound)

    @wraps(plain)
    def method(*args: Any, **options: Any) -> Any:
        if bound._transport is None:
            raise RuntimeError(
                f"this {type(bound).__name__} came from no client: ask one by its id"
            )
        return getattr(bound._transport, way)(plain(*args, **options))

    return method


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that waits by blocking, and so never suspends."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError(f"{work} was suspended: only an AsyncClient may await something else")


def finished_each(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Yield what such a generator yields, and close it whenever the caller stops."""
    try:
        while True:
            try:
                item = finish(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        finish(_close(items))


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await items.__anext__()


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()
