"""Wall time, added up by activity."""

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from time import perf_counter
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopwatch:
    """Adds up the wall time of each named activity, in seconds."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure the body of the ``with`` statement and add its seconds to ``name``."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += perf_counter() - start

    def each(
        self, name: str, items: Generator[Item, None, Result]
    ) -> Generator[Item, None, Result]:
        """Yield the items, and add to ``name`` the seconds that the generator takes.

        The time that the caller spends between two items is not counted.
        """
        with closing(items):
            while True:
                with self(name):
                    try:
                        item = next(items)
                    except StopIteration as end:
                        result: Result = end.value
                        return result
                yield item

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add seconds that were measured elsewhere, by the names of the activities."""
        for name, spent in seconds.items():
            self.seconds[name] += spent
