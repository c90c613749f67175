"""The SHA-256 of files, computed once in a process while a file is unchanged."""

from pathlib import Path

from worker.pruning.base.durable_files import sha256

_known: dict[tuple[int, ...], str] = {}


def file_digest(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file; read it only if it could have changed."""
    identity = file_identity(path)
    if identity not in _known:
        _known[identity] = sha256(path)
    return _known[identity]


def remember_digest(path: Path, digest: str) -> None:
    """Have `file_digest` return this digest of a file while the file is unchanged."""
    _known[file_identity(path)] = digest


def file_identity(path: Path) -> tuple[int, ...]:
    """Return numbers that change if a file is written to, replaced or renamed.

    Its ctime or its inode changes then. Programs can set the modification time of a file, but not
    these.
    """
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *times)
