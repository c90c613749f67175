"""How a worker lets its fork server run programs of the control process beside it."""

import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from worker.pool.fork_client import ForkServer, ForkServerError

logger = logging.getLogger(__name__)
CHECK_EVERY_S = 0.1


@dataclass(frozen=True)
class Request:
    module: str
    fds: Sequence[int]
    is_repeated: bool = False


class ForkRequests:
    """Receives the requests in the event loop of the worker.

    Args:
        server: the fork server, which the first request starts.
        requests: the socket that is connected to the control process.
    """

    def __init__(self, server: ForkServer, requests: socket.socket) -> None:
        self._server, self._requests = server, requests
        self._waiting: list[Request] = []

    def receive_in(self, hub: Any) -> None:
        """Receive requests in a new event loop, or in one that has lost its tasks."""
        hub.add_reader(self._requests, self._on_request, hub)
        self._run_waiting(hub)

    def _on_request(self, hub: Any) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(self._requests, 256, 2)
        except BlockingIOError:
            return
        if not message:  # `zpruner serve` has ended
            hub.remove_reader(self._requests)
            return
        with suppress(OSError):  # it is tried again when the module is run
            self._server.start()
        self._waiting.append(Request(message.decode(), fds))
        self._run_waiting(hub)

    def _run_waiting(self, hub: Any) -> None:
        """Run the modules once the fork server is ready."""
        while self._waiting:
            if self._server.is_starting():
                hub.call_later(CHECK_EVERY_S, self._run_waiting, hub)
                return
            self._run(self._waiting.pop(0))

    def _run(self, request: Request) -> None:
        """Run a module; if that is not possible, its pipes are closed, which says so."""
        try:
            self._server.run(request.module, request.fds)
        except ForkServerError as error:
            logger.warning("the fork server %s", error)
            if self._server.is_starting() and not request.is_repeated:
                self._waiting.append(replace(request, is_repeated=True))
                return
        for fd in request.fds:
            os.close(fd)
