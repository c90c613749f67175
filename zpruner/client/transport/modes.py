"""One implementation for the blocking and the asynchronous client.

Each request is written once, as a coroutine or an asynchronous generator that uses a transport.
`operation` and `iteration` turn these into methods. The methods of a blocking client return results
and iterators; those of an asynchronous client return coroutines and asynchronous iterators.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper, wraps
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, overload

from typing_extensions import TypeVar


class Sync:
    """Type marker of the blocking client."""


class Async:
    """Type marker of the asynchronous client."""


P = ParamSpec("P")
T = TypeVar("T")
Mode = TypeVar("Mode", default=Sync)


class Bound(Generic[Mode]):
    """An object that belongs to one client and uses its transport."""

    _transport: Any


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Turn a coroutine function into a method.

    The method is a plain function for a blocking client, and a coroutine function for an
    asynchronous client.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._function = function
        update_wrapper(self, function)  # type: ignore[arg-type] # it is no callable

    @overload
    def __get__(self, bound: None, owner: type[Any]) -> "operation[P, T]": ...
    @overload
    def __get__(self, bound: Bound[Sync], owner: type[Any]) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, bound: Bound[Async], owner: type[Any]
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, bound: Any, owner: type[Any]) -> Any:
        """Return the method, bound to an object."""
        if bound is None:
            return self

        return _method(bound, self._function, "run")


class iteration(Generic[P, T]):  # noqa: N801 - a decorator
    """Turn an asynchronous generator function into a method that returns an iterator.

    The iterator is asynchronous if the client is asynchronous.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncIterator[T]]) -> None:
        self._function = function
        update_wrapper(self, function)  # type: ignore[arg-type] # it is no callable

    @overload
    def __get__(self, bound: None, owner: type[Any]) -> "iteration[P, T]": ...
    @overload
    def __get__(self, bound: Bound[Sync], owner: type[Any]) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, bound: Bound[Async], owner: type[Any]) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, bound: Any, owner: type[Any]) -> Any:
        """Return the method, bound to an object."""
        if bound is None:
            return self

        return _method(bound, self._function, "iterate")


def _method(bound: Any, function: Callable[..., Any], runner: str) -> Callable[..., Any]:
    """Return a method that runs the function's coroutine or generator on the transport."""
    plain = MethodType(function, bound)

    @wraps(plain)
    def method(*args: Any, **options: Any) -> Any:
        if bound._transport is None:
            raise RuntimeError(
                f"this {type(bound).__name__} belongs to no client: get it by its id from one"
            )
        return getattr(bound._transport, runner)(plain(*args, **options))

    return method


def run_blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that blocks instead of suspending, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine} was suspended; only an AsyncClient may await other things")


def iterate_blocking(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Iterate over a generator that blocks instead of suspending; close it at the end."""
    try:
        while True:
            try:
                item = run_blocking(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        run_blocking(_close(items))


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await items.__anext__()


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()
