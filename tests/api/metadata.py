"""A hub on loopback that knows what repositories exist and what files they list."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = {
    "org/good": ["config.json", "model.safetensors"],
    "org/pickled": ["config.json", "pytorch_model.bin"],
    "org/empty": ["README.md"],
    "org/no-config": ["model.safetensors"],
}
DATASETS = {"org/texts"}
SLOW, BROKEN = "org/slow", "org/broken"


@contextmanager
def serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        _, _, kind, *rest = self.path.partition("?")[0].split("/")
        repo, revision = "/".join(rest[:2]), rest[3] if len(rest) > 3 else None
        if repo == SLOW:
            time.sleep(1.5)
        if repo == BROKEN:
            return self._answer(502, {})
        if kind == "models" and repo in MODELS:
            if revision not in {None, "main"}:
                return self._answer(404, {"error": "no revision"}, "RevisionNotFound")
            files = [{"rfilename": name} for name in MODELS[repo]]
            return self._answer(200, {"id": repo, "sha": "0" * 40, "siblings": files})
        if kind == "datasets" and repo in DATASETS:
            return self._answer(200, {"id": repo, "sha": "0" * 40, "siblings": []})
        return self._answer(401, {"error": "Repository not found"}, "RepoNotFound")

    def _answer(self, status: int, body: object, code: str | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        if code is not None:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""
