"""A hub that can be written to: repositories are created, files uploaded, commits made."""

import base64
import json
import re
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from tests.hub import Handler, Hub, RefusedError, Repo

BRANCH = re.compile(r"/api/models/(.+?)/branch/(.+)$")
PREUPLOAD = re.compile(r"/api/models/(.+?)/preupload/(.+)$")
COMMIT = re.compile(r"/api/models/(.+?)/commit/(.+)$")
BATCH = re.compile(r"/(.+?)\.git/info/lfs/objects/batch$")
OBJECT = re.compile(r"/lfs/([0-9a-f]{64})(?:/(\d+))?$")
PART_BYTES = 1 << 16
"""Larger objects are uploaded in parts of this size."""


@dataclass(frozen=True)
class Commit:
    """A commit, with the paths that it deleted."""

    message: str
    deleted: tuple[str, ...]


@dataclass
class WritableHub(Hub):
    """The hub, with one token that may write.

    Attributes:
        objects: the uploaded large files, by SHA-256.
        parts: the parts of large files that are not complete.
        commits: all commits, by repository.
    """

    token: str = "hf_write"
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    commits: dict[str, list[Commit]] = field(default_factory=dict)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return WritingHandler


class WritingHandler(Handler):
    hub: WritableHub

    do_PUT = Handler.do_POST  # noqa: N815 - named by http.server

    def respond(self, path: str, body: bytes) -> bool:
        """Respond to a request that writes; return False for any other."""
        if self.command == "PUT" and (match := OBJECT.match(path)):
            self._put(match[1], match[2], body)
            return True
        if self.command != "POST" or "/paths-info/" in path:
            return False
        if match := OBJECT.match(path):  # all parts were sent
            self._join(match[1], json.loads(body))
            return True
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            raise RefusedError(401, "Unauthorized")
        self._json(self._written(path, body))
        return True

    def _written(self, path: str, body: bytes) -> Any:
        if path == "/api/validate-yaml":
            return {"warnings": [], "errors": []}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if match := BRANCH.match(path):
            return self._branch(self._writable(match[1]), unquote(match[2]))
        if match := PREUPLOAD.match(path):
            return self._modes(self._writable(match[1]), json.loads(body)["files"])
        if match := BATCH.match(path):
            self._writable(match[1])
            return {"objects": [self._instructions(one) for one in json.loads(body)["objects"]]}
        if match := COMMIT.match(path):
            return self._commit(self._writable(match[1]), body)
        raise RefusedError(404, "EntryNotFound")

    def _writable(self, name: str) -> Repo:
        if (repo := self.hub.models.get(unquote(name))) is None:
            raise RefusedError(404, "RepoNotFound")
        return repo

    def _create(self, fields: dict[str, Any]) -> dict[str, str]:
        name = f"{fields['organization']}/{fields['name']}"
        url = {"url": f"{self._base()}/{name}"}
        if name in self.hub.models:
            raise RefusedError(409, "Conflict", json.dumps(url).encode())
        is_private = fields.get("private") or fields.get("visibility") == "private"
        token = self.hub.token if is_private else None
        self.hub.add_model(name, {".gitattributes": b"*.safetensors filter=lfs\n"}, token=token)
        return url

    def _branch(self, repo: Repo, name: str) -> dict[str, str]:
        if name in repo.branches:
            raise RefusedError(409, "Conflict")
        repo.branches = (*repo.branches, name)
        return {}

    def _modes(self, repo: Repo, files: list[dict[str, Any]]) -> dict[str, Any]:
        return {"files": [self._mode(repo, one["path"]) for one in files]}

    def _mode(self, repo: Repo, path: str) -> dict[str, Any]:
        is_large, known = path.endswith((".safetensors", ".bin")), repo.files.get(path)
        oid = None
        if known is not None:
            blob = sha1(b"blob %d\0" % len(known) + known).hexdigest()
            oid = sha256(known).hexdigest() if is_large else blob
        mode = "lfs" if is_large else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _instructions(self, wanted: dict[str, Any]) -> dict[str, Any]:
        oid, size = wanted["oid"], wanted["size"]
        if oid in self.hub.objects:
            return {"oid": oid, "size": size}
        upload: dict[str, Any] = {"href": f"{self._base()}/lfs/{oid}"}
        if size > PART_BYTES:
            count = -(-size // PART_BYTES)
            urls = {f"{n:05}": f"{self._base()}/lfs/{oid}/{n}" for n in range(1, count + 1)}
            upload["header"] = {"chunk_size": str(PART_BYTES)} | urls
        return {"oid": oid, "size": size, "actions": {"upload": upload}}

    def _put(self, oid: str, part: str | None, body: bytes) -> None:
        if part is None:
            self._store(oid, body)
        else:
            self.hub.parts.setdefault(oid, {})[int(part)] = body
        self._send(200, b"", {"ETag": f'"{sha1(body).hexdigest()}"'})

    def _join(self, oid: str, completion: dict[str, Any]) -> None:
        numbers = [one["partNumber"] for one in completion["parts"]]
        self._store(oid, b"".join(self.hub.parts[oid][number] for number in numbers))
        self._json({})

    def _store(self, oid: str, content: bytes) -> None:
        if sha256(content).hexdigest() != oid:
            raise RefusedError(400, "BadDigest")
        self.hub.objects[oid] = content

    def _commit(self, repo: Repo, body: bytes) -> dict[str, str]:
        header, *changes = (json.loads(line) for line in body.splitlines())
        parent = header["value"].get("parentCommit")
        if parent is not None and parent != repo.sha:
            raise RefusedError(412, "PreconditionFailed")
        files, deleted = dict(repo.files), []
        for change in changes:
            value = change["value"]
            match change["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.objects[value["oid"]]
                case "deletedFile":
                    deleted.append(value["path"])
                    del files[value["path"]]
        repo.files = files
        commit = Commit(header["value"]["summary"], tuple(deleted))
        self.hub.commits.setdefault(repo.id, []).append(commit)
        return {"commitUrl": f"{self._base()}/{repo.id}/commit/{repo.sha}", "commitOid": repo.sha}

    def _base(self) -> str:
        return f"http://{self.headers['Host']}"
