"""The folder of a backup: its tables, its files, their digests, and what it says of itself."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from db.core.fsync import sync_folder
from db.spec.datasets.upload_store import SUFFIXES
from db.startup.read_settings import SettingsError
from db.tables.artifacts import Artifact
from db.tables.datasets import Dataset
from zpruner.files.digests import file_sha256

FORMAT = 1
MANIFEST, CHECKSUMS = "backup.json", "SHA256SUMS"
ROWS = "rows"
FileRow = Artifact | Dataset
"""The row of a file, which has its size and its digest."""
_NEEDED = ("id", "job_id", "attempt", "name", "size_bytes", "sha256", "media_type")


class BackupError(SettingsError):
    """A backup cannot be made or restored; the message has a line for each reason."""


@contextmanager
def reported() -> Iterator[None]:
    """Report an error of a disk or a bucket as the reason why there is no backup.

    Raises:
        BackupError: there was one.
    """
    try:
        yield
    except OSError as error:
        raise BackupError(str(error)) from None


class Manifest(BaseModel):
    """What a backup says of itself.

    Attributes:
        version: the version of Z-Pruner that made it.
        migration: the migration of the database.
        made_at: when its rows were read; it has everything that was committed before.
        key_check: a text that only the encryption key of its secrets can decrypt; None if there was
            no key.
        rows: the number of rows of each table.
        damaged: what was wrong in the service with files that are not in the backup, by their path.
    """

    format: int = FORMAT
    version: str
    migration: str
    made_at: datetime
    key_check: str | None
    rows: dict[str, int]
    damaged: dict[str, str] = {}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of a complete backup.

        Raises:
            BackupError: there is none, it is not valid, or a newer version wrote it.
        """
        for name in (MANIFEST, CHECKSUMS):
            if not (folder / name).is_file():
                raise BackupError(
                    f"{folder} has no {name}: it is not a backup of `zpruner backup`, or one that "
                    "was interrupted. Name the folder of a complete backup."
                )
        try:
            found = cls.model_validate_json((folder / MANIFEST).read_text("utf-8"))
        except ValueError:
            raise BackupError(f"{folder / MANIFEST} is damaged. Name another backup.") from None
        if found.format > FORMAT:
            raise BackupError(
                f"{folder} was made by version {found.version}, which is newer than this one. "
                "Restore it with that version."
            )
        return found

    def write(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(self.model_dump_json(indent=1) + "\n", "utf-8")


def path_of(row: FileRow) -> str:
    """Return the path of a file in the backup, which is that in a data folder."""
    if isinstance(row, Dataset):
        return f"uploads/{row.id}{SUFFIXES[row.media_type]}"
    return f"artifacts/{row.job_id}/{row.attempt}/{row.name}"


def write_file(path: Path, chunks: Iterable[bytes]) -> str:
    """Write a file so that it appears as a whole, and return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, unfinished = hashlib.sha256(), path.with_name(f".{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return digest.hexdigest()


def write_checksums(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    """Write the digests of all files durably; this completes the backup.

    Args:
        folder: the folder of the backup.
        files: the path and the digest of each stored file.
    """
    own = [folder / MANIFEST, *sorted((folder / ROWS).iterdir())]
    listed = [(path.relative_to(folder).as_posix(), file_sha256(path)) for path in own]
    lines = (f"{digest}  {path}\n".encode() for path, digest in (*listed, *files))
    write_file(folder / CHECKSUMS, lines)
    sync_folder(folder)


def checksums(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the digest of each file of a backup.

    Raises:
        BackupError: a path leads out of the folder.
    """
    with (folder / CHECKSUMS).open(encoding="utf-8") as lines:
        for line in lines:
            digest, _, path = line.rstrip("\n").partition("  ")
            if not (folder / path).resolve().is_relative_to(folder.resolve()):
                raise BackupError(f"{folder / CHECKSUMS} lists {path}, which is not in the folder.")
            yield path, digest


def damages(folder: Path) -> list[str]:
    """Return a line for each file of a backup that is missing or has another digest."""
    found = []
    for path, digest in checksums(folder):
        try:
            actual = file_sha256(folder / path)
        except OSError as error:
            found.append(f"{path} cannot be read ({error.strerror}).")
        else:
            found += [] if actual == digest else [f"{path} has the sha256 {actual}, not {digest}."]
    return found


def file_row(table: str, row: dict[str, Any]) -> FileRow | None:
    """Return the row of a file, as far as backups need it; None if its file was deleted."""
    kind: type[FileRow] = Artifact if table == Artifact.__tablename__ else Dataset
    if row.get("deleted_at") is not None:
        return None
    return kind(**{name: row[name] for name in _NEEDED if name in kind.__table__.columns})
