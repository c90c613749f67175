"""Waiting for a condition: one function, and one deadline for all tests."""

import time
from collections.abc import Callable

DEADLINE_S = 300
"""Longer than anything takes that a test waits for, also on a busy machine."""
SHORTEST_S, LONGEST_S = 0.02, 0.1
"""Between two looks at a condition, which would use a third of a core in a long wait."""


def eventually(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Wait until a condition is true; fail the test if it is still false after ``within_s``."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < within_s, f"not within {within_s:g} s"
        time.sleep(min(max(SHORTEST_S, waited / 20), LONGEST_S))
