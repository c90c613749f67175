"""The thread that claims what is due, and sends a few of it at once."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)
Claimed = TypeVar("Claimed")


class Dispatcher(ABC, Generic[Claimed]):
    """Claims what is due, and sends each claim in a thread of its own.

    Args:
        name: the plural of what is sent, as in log lines.
        every_s: the seconds between two searches.
        max_concurrent: how many are sent at once.
    """

    def __init__(self, name: str, *, every_s: float, max_concurrent: int) -> None:
        self._name, self._every_s, self._max_concurrent = name, every_s, max_concurrent
        self._sending: dict[threading.Thread, Claimed] = {}
        self._lock = threading.Lock()
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name} dispatcher", daemon=True)

    @abstractmethod
    def _claim(self, sending: Collection[Claimed]) -> Claimed | None:
        """Claim something to send now, besides what is being sent; None if there is nothing."""

    @abstractmethod
    def _send(self, claimed: Claimed) -> None:
        """Send it and record the result; called in a thread of its own."""

    @property
    def is_alive(self) -> bool:
        """Whether the thread that claims runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace_s: float = 3.0) -> None:
        """Claim nothing more, and wait up to ``grace_s`` seconds for what is being sent."""
        deadline = time.monotonic() + grace_s
        self._stopping.set()
        self._woken.set()
        self._thread.join(grace_s)
        self.wait(deadline - time.monotonic())

    def wait(self, timeout_s: float) -> None:
        """Wait up to ``timeout_s`` seconds for what is being sent now."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            sending = list(self._sending)
        for thread in sending:
            thread.join(max(0.0, deadline - time.monotonic()))

    def send_due(self) -> int:
        """Start sending what is due up to the limit, and return how many were started."""
        count = 0
        while (claimed := self._next()) is not None:
            thread = threading.Thread(target=self._send_one, args=(claimed,), daemon=True)
            with self._lock:
                thread.start()
                self._sending[thread] = claimed
            count += 1
        return count

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.send_due()
            except SQLAlchemyError as error:
                logger.warning("due %s cannot be read: %s", self._name, error)
            except Exception:  # the thread must go on, or nothing would be sent any more
                logger.exception("due %s cannot be sent", self._name)
            self._woken.wait(self._every_s)
            self._woken.clear()

    def _next(self) -> Claimed | None:
        with self._lock:
            sending = list(self._sending.values())
        is_full = len(sending) >= self._max_concurrent
        return None if is_full or self._stopping.is_set() else self._claim(sending)

    def _send_one(self, claimed: Claimed) -> None:
        try:
            self._send(claimed)
        finally:
            with self._lock:
                del self._sending[threading.current_thread()]
            self._woken.set()  # another one can be sent
