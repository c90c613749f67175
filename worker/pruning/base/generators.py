"""Consuming a generator and keeping its return value."""

from collections.abc import Callable, Generator
from typing import TypeVar

Item = TypeVar("Item")
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
