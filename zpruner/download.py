"""Downloads that resume and are verified."""

import hashlib
from pathlib import Path, PurePosixPath

import httpx

from zpruner.models import Artifact
from zpruner.transport import ProblemError, ServiceError, Transport, problem_of


class CorruptedError(ServiceError):
    """What arrived is not what the service said it holds."""

    def __init__(self, name: str, expected: str, received: str) -> None:
        super().__init__(name, expected, received)
        self.name, self.expected, self.received = name, expected, received

    def __str__(self) -> str:
        return f"{self.name} has sha256 {self.received}, expected {self.expected}; it was deleted"


def download(transport: Transport, artifact: Artifact, folder: Path) -> Path:
    """Put one artifact below ``folder``; a part left by an earlier call is continued.

    Raises:
        CorruptedError: its bytes do not have its sha256.
        ServiceError: its name leads out of the folder, or the service refused.
    """
    path = _confined(folder, artifact.name)
    if path.is_file() and _sha256(path) == artifact.sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    _fetch(transport, artifact, part)
    if (received := _sha256(part)) != artifact.sha256:
        part.unlink()
        raise CorruptedError(artifact.name, artifact.sha256, received)
    part.rename(path)
    return path


def _fetch(transport: Transport, artifact: Artifact, part: Path) -> None:
    """Append what is missing; start over where the service sends the whole file."""
    have = part.stat().st_size if part.exists() else 0
    if have == artifact.size_bytes:
        part.touch()
        return
    headers = {"Range": f"bytes={have}-", "If-Range": f'"{artifact.sha256}"'} if have else {}
    try:
        with transport.stream(f"/v1/artifacts/{artifact.id}/content", headers) as response:
            _write(response, part)
    except httpx.TransportError as error:
        raise ServiceError(f"{artifact.name} broke off: {error}; try again to resume") from error


def _write(response: httpx.Response, part: Path) -> None:
    if response.is_error:
        response.read()
        raise ProblemError(problem_of(response))
    resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
    with part.open("ab" if resumed else "wb") as file:
        for piece in response.iter_bytes():
            file.write(piece)


def _confined(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise ServiceError(f"refusing the artifact name {name!r}")
    return folder.joinpath(*parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
