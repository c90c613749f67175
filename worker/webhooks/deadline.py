"""A moment at which everything has to be over, whatever it consists of."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class DeadlineError(Exception):
    """The time is up."""


class Deadline:
    """Some seconds from now."""

    def __init__(self, within_s: float) -> None:
        self._end = time.monotonic() + within_s

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            DeadlineError: none are.
        """
        if (left := self._end - time.monotonic()) <= 0:
            raise DeadlineError
        return left

    def wait_for(self, act: Callable[[], T]) -> T:
        """Return what an act returns that heeds no time limit; past the deadline it is left alone.

        Raises:
            DeadlineError: it has not ended in time.
        """
        future: Future[T] = Future()
        threading.Thread(target=_fill, args=(future, act), name="resolver", daemon=True).start()
        try:
            return future.result(self.left_s())
        except TimeoutError:
            raise DeadlineError from None


def _fill(future: Future[T], act: Callable[[], T]) -> None:
    try:
        future.set_result(act())
    except Exception as error:  # whatever it is, it is for who waits
        future.set_exception(error)
