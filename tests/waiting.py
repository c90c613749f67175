"""Waiting for a condition: one function, and one deadline for all tests."""

import time
from collections.abc import Callable

DEADLINE_S = 300
"""Longer than anything takes that a test waits for, also on a busy machine."""


def eventually(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Wait until a condition is true; fail the test if it is still false after ``within_s``."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.02)
