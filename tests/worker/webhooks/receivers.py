"""Receivers of webhooks on loopback, with manners or without."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook as Verifier

from tests.waiting import DEADLINE_S


@dataclass(frozen=True)
class Request:
    """What a receiver was sent."""

    path: str
    headers: dict[str, str]
    body: str


Answer = Callable[[BaseHTTPRequestHandler], object]


@dataclass
class Receiver:
    """A listener that keeps what it is sent."""

    host: str
    port: int
    requests: list[Request] = field(default_factory=list)
    asked_for: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"


def ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.requests]


def verified(request: Request, secret: str) -> object:
    """Return what a receiver that checks signatures reads."""
    return Verifier(secret).verify(request.body, request.headers)


def saying(status: int, **headers: str) -> Answer:
    """Return an answer of some status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@contextmanager
def receiving(
    answer: Answer = saying(204),  # noqa: B008 - keeps nothing
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    """Listen for the length of a block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed while it sent
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.append(Request(self.path, headers, body.decode()))
            try:
                answer(self)
            except OSError:  # the sender hung up
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Print nothing when a client disconnects."""

    server = Server((host, port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    receiver = Receiver(host, server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def talking(talk: Callable[[socket.socket], object], host: str = "127.0.0.1") -> Iterator[str]:
    """Accept connections, say to each what ``talk`` says, and yield the address."""
    with socket.create_server((host, 0)) as listener:
        thread = threading.Thread(target=_talk, args=(listener, talk), daemon=True)
        thread.start()
        yield f"http://{host}:{listener.getsockname()[1]}/hook"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(DEADLINE_S)


def _talk(listener: socket.socket, talk: Callable[[socket.socket], object]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                talk(connection)
            except OSError:
                continue
