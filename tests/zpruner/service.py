"""A small HTTP service on loopback, with responses and faults that a test prepares."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CREATED = "2026-01-01T00:00:00Z"


def job(status: str = "running", **fields: Any) -> dict[str, Any]:
    return {"id": "job_1", "status": status, "created_at": CREATED, "unknown": 1} | fields


def artifact(content: bytes, name: str = "model/weights.bin", **fields: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    known = {"id": "art_1", "name": name, "size_bytes": len(content), "sha256": digest}
    return known | fields


class Service:
    """Responds to each path with its next prepared answer; the last one is repeated.

    Attributes:
        seen: method, path and Range header of each request.
        keys: the Idempotency-Key of each request.
        bodies: the body of each request.
        resumed: the Last-Event-ID of each request.
        authorizations: the Authorization of each request.
        codings: the Accept-Encoding of each request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, str, str | None]] = []
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []
        self.resumed: list[str | None] = []
        self.authorizations: list[str | None] = []
        self.codings: list[str | None] = []
        self._lock = threading.Lock()
        self._answers: dict[str, list[Answer]] = {}

    def prepare(self, path: str, *answers: "Answer") -> None:
        self._answers[path] = list(answers)

    def answer(self, path: str) -> "Answer":
        with self._lock:
            waiting = self._answers.get(path) or [Answer(404, problem("not_found", 404))]
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class Answer:
    """A prepared HTTP response.

    Args:
        status, body, headers: of the response.
        cut: close the connection after this many bytes of the body.
        is_whole: send the whole file and ignore a requested range.
        before, after: called before the response is sent, and before the connection is closed.
    """

    def __init__(
        self,
        status: int,
        body: Any = b"",
        *,
        cut: int | None = None,
        headers: dict[str, str] | None = None,
        is_whole: bool = False,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        self.status, self.cut, self.headers = status, cut, dict(headers or {})
        self.is_whole, self.before, self.after = is_whole, before, after
        self.is_file = isinstance(body, bytes)
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if self.is_file else "application/json"
        self.headers.setdefault("Content-Type", kind)


def problem(code: str, status: int, **fields: Any) -> dict[str, Any]:
    return {"title": code, "status": status, "detail": f"{code} it is", "code": code} | fields


def page(*rows: object) -> Answer:
    return Answer(200, {"data": rows, "next_cursor": None, "has_more": False})


@contextmanager
def serving() -> Iterator[Service]:
    server = _Server(("127.0.0.1", 0), _Handler)
    service = Service(f"http://127.0.0.1:{server.server_port}")
    server.service = service
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    service: Service


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        self.service.seen.append((self.command, self.path, requested))
        self.service.resumed.append(self.headers.get("Last-Event-ID"))
        self.service.authorizations.append(self.headers.get("Authorization"))
        self.service.codings.append(self.headers.get("Accept-Encoding"))
        self.service.keys.append(self.headers.get("Idempotency-Key"))
        self.service.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        answer = self.service.answer(self.path)
        body, status = answer.body, answer.status
        if answer.is_file and requested and status == 200 and not answer.is_whole:
            start, _, last = requested.removeprefix("bytes=").partition("-")
            body, status = body[int(start) : int(last) + 1 if last else None], 206
        answer.before()
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # the client may have been killed
            self.wfile.write(body if answer.cut is None else body[: answer.cut])
        answer.after()

    do_POST = do_PATCH = do_GET  # noqa: N815 - named by http.server

    @property
    def service(self) -> Service:
        assert isinstance(self.server, _Server)
        return self.server.service

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
