"""The SHA-256 of files, computed once in a process while a file is unchanged."""

from pathlib import Path

from worker.pruning.base.durable_files import sha256

_known: dict[tuple[int, ...], str] = {}


def file_digest(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file; read it only if it could have changed.

    If a file is written to, replaced or renamed, its ctime or its inode changes. Programs can set
    the modification time of a file, but not these.
    """
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    identity = (status.st_dev, status.st_ino, status.st_size, *times)
    if identity not in _known:
        _known[identity] = sha256(path)
    return _known[identity]
