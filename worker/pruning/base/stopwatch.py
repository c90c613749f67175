"""Seconds by what they were spent on."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Adds up wall seconds under names."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the seconds that the body takes to ``name``."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += perf_counter() - start

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count in what was measured elsewhere."""
        for name, spent in seconds.items():
            self.seconds[name] += spent
