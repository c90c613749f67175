"""Consuming generators and keeping their return values."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import TypeVar

Item = TypeVar("Item")
Other = TypeVar("Other")
Result = TypeVar("Result")


def run_to_end(
    items: Generator[Item, None, Result], each: Callable[[Item], object] = lambda _: None
) -> Result:
    """Call ``each`` with every item of the generator, and return the generator's return value."""
    while True:
        try:
            item = next(items)
        except StopIteration as end:
            result: Result = end.value
            return result
        each(item)


def mapped(
    items: Generator[Item, None, Result], convert: Callable[[Item], Iterable[Other]]
) -> Generator[Other, None, Result]:
    """Yield every element that ``convert`` returns for each item; return what ``items`` returns.

    ``items`` is closed when this generator is closed or ends.
    """
    with closing(items):
        while True:
            try:
                item = next(items)
            except StopIteration as end:
                result: Result = end.value
                return result
            yield from convert(item)


def of_type(
    kind: type[Item], items: Generator[object, None, Result]
) -> Generator[Item, None, Result]:
    """Yield the items that are of type ``kind``; return what ``items`` returns."""
    return mapped(items, lambda item: [item] if isinstance(item, kind) else [])
