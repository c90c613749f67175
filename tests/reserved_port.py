"""A port of the loopback interface that no other process gets while a server is away."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a port at which nothing listens until a server is started on it.

    Such a server must set SO_REUSEADDR, as those of Python do. The kernel gives the port to nobody
    who asks for any free port, because this socket is bound to it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
