"""A proxy on loopback that breaks connections in the middle of large responses."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

PIECE_BYTES = 1 << 16


class CuttingProxy:
    """Forwards connections to a server, and breaks some of them.

    Attributes:
        url: the proxy's URL.
        cuts: how many connections it still breaks.
        cut_after_bytes: after how many bytes of a response.
    """

    def __init__(self, server: str, cuts: int, cut_after_bytes: int) -> None:
        parts = urlsplit(server)
        self._server = (parts.hostname, parts.port)
        self.cuts, self.cut_after_bytes = cuts, cut_after_bytes
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        """Accept connections until `close` is called."""
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _forward(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._server) as server:
            requests = threading.Thread(target=_copy, args=(client, server), daemon=True)
            requests.start()
            sent = 0
            while piece := server.recv(PIECE_BYTES):
                client.sendall(piece)
                sent += len(piece)
                if sent >= self.cut_after_bytes and self._may_cut():
                    client.shutdown(socket.SHUT_RDWR)
                    return
            client.shutdown(socket.SHUT_WR)

    def _may_cut(self) -> bool:
        with self._lock:
            self.cuts -= 1
            return self.cuts >= 0


@contextmanager
def cutting(server: str, cuts: int, cut_after_bytes: int) -> Iterator[CuttingProxy]:
    """Run a proxy during the block."""
    proxy = CuttingProxy(server, cuts, cut_after_bytes)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
