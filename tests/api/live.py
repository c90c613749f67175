"""The application behind a real server, for answers that a test reads while they are written."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from api.middleware.connections import server_config
from tests.waiting import DEADLINE_S


@contextmanager
def serving(app: ASGIApp, **options: Any) -> Iterator[str]:
    """Serve on a free port of loopback; yield the address."""
    defaults: dict[str, Any] = {"port": 0, "log_level": "error", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(server_config(app, **(defaults | options)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{_port(server)}"
    finally:
        server.should_exit = True
        thread.join()


def _port(server: uvicorn.Server) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while not server.started:
        if time.monotonic() > deadline:
            raise RuntimeError("uvicorn did not start")
        time.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port
