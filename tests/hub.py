"""A small Hugging Face hub on loopback, with the endpoints that its clients use.

Start it with ``with Hub() as hub`` and point the clients at ``hub.url`` through ``HF_ENDPOINT``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

API = re.compile(r"/api/(models|datasets)/(.+?)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?$")
RESOLVE = re.compile(r"/(datasets/)?(.+?)/resolve/([^/]+)/(.+)$")


@dataclass
class Repo:
    """A repository with one commit, the head of every branch in ``branches``.

    Attributes:
        files: path -> content.
        token: the required token; None if the repository is public.
        gated: whether access requires accepting terms.
    """

    id: str
    files: Mapping[str, bytes]
    token: str | None = None
    gated: bool = False
    branches: tuple[str, ...] = ("main",)

    @property
    def sha(self) -> str:
        content = [f"{path} {sha256(data).hexdigest()}" for path, data in self.files.items()]
        return sha1("\n".join([self.id, *content]).encode()).hexdigest()

    def has(self, revision: str) -> bool:
        return revision in {self.sha, *self.branches}

    def info(self) -> dict[str, Any]:
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": sha1(data).hexdigest()}
            for path, data in self.files.items()
        ]
        return {
            "_id": "0" * 24,
            "id": self.id,
            "sha": self.sha,
            "private": self.token is not None,
            "gated": self.gated and "auto",
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
        }

    def tree(self, folder: str, recursive: bool) -> Iterator[dict[str, Any]]:
        """Yield the files and folders in a folder, as the hub lists them."""
        base = f"{folder}/" if folder else ""
        folders: set[str] = set()
        for path, data in self.files.items():
            if not path.startswith(base):
                continue
            below = path.removeprefix(base).split("/")
            folders |= {base + "/".join(below[:depth]) for depth in range(1, len(below))}
            if recursive or len(below) == 1:
                yield self.entry(path, data)
        for path in sorted(folders):
            if recursive or "/" not in path.removeprefix(base):
                yield {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}

    def entry(self, path: str, data: bytes) -> dict[str, Any]:
        return {"type": "file", "path": path, "size": len(data), "oid": sha1(data).hexdigest()}


@dataclass
class Request:
    """A received request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Hub:
    """The server, and the requests that it received.

    Attributes:
        breaks: path of a file -> bytes to send before closing the connection, one for each request.
        failing: path of a file -> the status of the response, instead of its content.
        redirects: path of a file -> the URL of its content on another host.
    """

    models: dict[str, Repo] = field(default_factory=dict)
    datasets: dict[str, Repo] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        handler = type("Handler", (self.handler(),), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that responds to requests."""
        return Handler

    def add_model(self, id: str, files: Mapping[str, bytes], **options: Any) -> Repo:
        return self.models.setdefault(id, Repo(id, files, **options))

    def add_dataset(self, id: str, files: Mapping[str, bytes], **options: Any) -> Repo:
        return self.datasets.setdefault(id, Repo(id, files, **options))

    def downloads(self, path: str) -> list[Request]:
        """Return the GET requests for the content of a file."""
        return [
            request
            for request in self.requests
            if request.method == "GET" and request.path.endswith(f"/{path}")
        ]


class RefusedError(Exception):
    def __init__(self, status: int, code: str, body: bytes = b"") -> None:
        super().__init__(status, code, body)
        self.status, self.code, self.body = status, code, body


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.command, unquote(url.path), headers))
        try:
            if self.respond(unquote(url.path), body):
                return
            if match := API.match(url.path):
                self._json(self._api(*match.groups(), url.query, body))
            elif match := RESOLVE.match(url.path):
                self._file(*map(unquote, (part or "" for part in match.groups())))
            else:
                raise RefusedError(404, "EntryNotFound")
        except RefusedError as refused:
            # Like a careless proxy, it repeats the request's headers.
            repeated = json.dumps({"error": refused.code, "request": headers}).encode()
            self._send(refused.status, refused.body or repeated, {"X-Error-Code": refused.code})

    def respond(self, path: str, body: bytes) -> bool:
        """Respond to a request of another kind; return False if it is not one."""
        return False

    def _api(
        self, kind: str, id: str, endpoint: str, revision: str, path: str, *request: Any
    ) -> Any:
        query, body = request
        repo = self._repo(kind, unquote(id), unquote(revision or "main"))
        if endpoint == "tree":
            return list(repo.tree(unquote(path or ""), "recursive=" in query.lower()))
        if endpoint == "paths-info":
            return self._paths(repo, body)
        return repo.info()

    def _paths(self, repo: Repo, body: bytes) -> list[dict[str, Any]]:
        if self.headers.get("Content-Type", "").startswith("application/json"):
            paths = json.loads(body)["paths"]
        else:
            paths = parse_qs(body.decode()).get("paths", [])
        entries = {entry["path"]: entry for entry in repo.tree("", recursive=True)}
        return [entries[path] for path in paths if path in entries]

    def _repo(self, kind: str, id: str, revision: str) -> Repo:
        repo = (self.hub.datasets if kind.startswith("datasets") else self.hub.models).get(id)
        sent = self.headers.get("Authorization")
        if repo is None or (repo.token and sent != f"Bearer {repo.token}"):
            raise RefusedError(401, "RepoNotFound")
        if repo.gated:
            raise RefusedError(403, "GatedRepo")
        if not repo.has(revision):
            raise RefusedError(404, "RevisionNotFound")
        return repo

    def _file(self, kind: str, id: str, revision: str, path: str) -> None:
        repo = self._repo(kind or "models", id, revision)
        if path not in repo.files:
            raise RefusedError(404, "EntryNotFound")
        if path in self.hub.failing and self.command == "GET":
            raise RefusedError(self.hub.failing[path], "Unavailable")
        data = repo.files[path]
        headers = {
            "ETag": f'"{sha256(data).hexdigest()}"',
            "X-Repo-Commit": repo.sha,
            "Accept-Ranges": "bytes",
            "X-Linked-Size": str(len(data)),
        }
        if path in self.hub.redirects:
            return self._send(302, b"", headers | {"Location": self.hub.redirects[path]})
        start, end = self._range(len(data))
        if (start, end) == (0, len(data)):
            return self._send(200, data, headers, path)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        return self._send(206, data[start:end], headers, path)

    def _range(self, size: int) -> tuple[int, int]:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is None:
            return 0, size
        return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size

    def _json(self, response: Any) -> None:
        self._send(200, json.dumps(response).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], path: str | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.command == "GET" and path is not None and (cuts := self.hub.breaks.get(path)):
            body = body[: cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)
