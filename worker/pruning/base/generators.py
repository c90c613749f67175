"""Running a generator to its end."""

from collections.abc import Callable, Generator
from typing import TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


def run_to_end(
    steps: Generator[Step, None, Result], each: Callable[[Step], object] = lambda _: None
) -> Result:
    """Take every step, hand it to ``each``, and return what the generator returns."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        each(step)
