"""A deadline that all steps of an operation share."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class DeadlineError(Exception):
    """The deadline has passed."""


class Deadline:
    """A deadline that passes ``within_s`` seconds after the creation of this object."""

    def __init__(self, within_s: float) -> None:
        self._end = time.monotonic() + within_s

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            DeadlineError: the deadline has passed.
        """
        if (left := self._end - time.monotonic()) <= 0:
            raise DeadlineError
        return left

    def run(self, action: Callable[[], T]) -> T:
        """Run ``action`` in a thread and return its result; abandon it after the deadline.

        Raises:
            DeadlineError: ``action`` did not return in time.
        """
        future: Future[T] = Future()
        threading.Thread(
            target=_complete, args=(future, action), name="deadline", daemon=True
        ).start()
        try:
            return future.result(self.left_s())
        except TimeoutError:
            raise DeadlineError from None


def _complete(future: Future[T], action: Callable[[], T]) -> None:
    try:
        future.set_result(action())
    except Exception as error:  # raised again where the result is awaited
        future.set_exception(error)
