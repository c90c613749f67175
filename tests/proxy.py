"""A proxy on loopback in front of a real server, with the faults that a test prepares."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.waiting import DEADLINE_S


@dataclass
class Fault:
    """What happens to matching requests in place of their forwarding.

    Attributes:
        method, path: the matching requests; ``path`` is a regular expression to be found in the
            path.
        status, headers, body: the response; without a status, the connection is closed.
        after_bytes: how many bytes of the request are received before that.
        is_late: the request is forwarded first, so that only its response is lost.
        before: called before anything else.
        times: how many requests it applies to.
    """

    method: str
    path: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after_bytes: int | None = None
    is_late: bool = False
    before: Callable[[], object] = lambda: None
    times: int = 1


@dataclass
class Proxy:
    """The running proxy, and the requests that it received: method and path, and headers."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, method: str, path: str, status: int | None = None, **options: object) -> None:
        self.faults.append(Fault(method, path, status, **options))  # type: ignore[arg-type] # fields of it

    def count(self, method: str, path: str) -> int:
        """Return how many requests match."""
        return sum(one == method and re.search(path, two) is not None for one, two in self.requests)

    def fault_of(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def proxying(target: str) -> Iterator[Proxy]:
    """Forward requests to the server at ``target``."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    server.target = urlsplit(target).netloc
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    proxy: Proxy
    target: str

    def handle_error(self, *_: object) -> None:
        """Print nothing when a client disconnects."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        received = {name.lower(): value for name, value in self.headers.items()}
        self.server.proxy.headers.append(received)
        fault = self.server.proxy.fault_of(self.command, self.path)
        if fault is None:
            self._forward()
            return
        fault.before()
        self.close_connection = True
        size = int(self.headers.get("Content-Length") or 0)
        if fault.is_late:
            self._request()
        else:
            self.rfile.read(size if fault.after_bytes is None else min(size, fault.after_bytes))
        if fault.status is not None:
            headers = fault.headers | {"Connection": "close"}
            self._respond(fault.status, list(headers.items()), fault.body)

    do_DELETE = do_HEAD = do_PATCH = do_POST = do_PUT = do_GET  # noqa: N815 - named by http.server

    def _forward(self) -> None:
        response, body = self._request()
        headers = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}
        ]
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        self._respond(response.status, headers, body, length)

    def _request(self) -> tuple[http.client.HTTPResponse, bytes]:
        size = int(self.headers.get("Content-Length") or 0)
        if len(content := self.rfile.read(size)) < size:
            raise ConnectionAbortedError  # the client gave up, and the server would wait for it
        connection = http.client.HTTPConnection(self.server.target, timeout=DEADLINE_S)
        with closing(connection):
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    connection.putheader(name, value)
            connection.endheaders(content or None)
            response = connection.getresponse()
            return response, response.read()

    def _respond(
        self,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes,
        length: str | None = None,
    ) -> None:
        with suppress(OSError):  # the client gave up
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
