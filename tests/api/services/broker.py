"""A broker of its own for a test."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError

from tests.waiting import DEADLINE_S
from zpruner.serve.embedded_broker import broker_command


@contextmanager
def running(folder: Path) -> Iterator[Redis]:
    server = subprocess.Popen(broker_command(folder), stdout=subprocess.DEVNULL)
    client = Redis(unix_socket_path=str(folder / "broker.sock"))
    try:
        _wait_for(client)
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait()


def _wait_for(client: Redis) -> None:
    """Wait until the server answers: it opens its socket before it has loaded its data."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            client.ping()
        except ConnectionError:  # loading, too, is one to redis-py
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return
