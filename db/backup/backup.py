"""``zpruner backup FOLDER``: back up the service, which may keep running."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from cryptography.fernet import MultiFernet

from db.backup.folder import (
    BackupError,
    FileRow,
    Manifest,
    file_row,
    path_of,
    reported,
    write_checksums,
    write_file,
)
from db.backup.row_secrets import encrypted, key_check
from db.backup.tables import dump, read_rows, snapshot
from db.core.access_errors import EncryptionKeyError
from db.core.errors import ArtifactNotFoundError
from db.core.session import sqlite_file
from db.files.artifact_store import ArtifactStore
from db.files.stored_file import LocalFile
from db.files.stores import open_store, open_uploads
from db.schema.revision import current_revision, hide_password, revision_of
from db.spec.datasets.upload_store import UploadStore
from db.startup import checks
from db.startup.encryption_keys import read_cipher
from db.startup.env_file import warn_of_ignored_file
from db.startup.private_files import UMASK
from db.startup.read_settings import read_settings
from db.startup.settings import Settings
from db.tables.artifacts import Artifact
from db.tables.datasets import Dataset

ROUNDS = 5
"""How often rows are read again at most, because files were deleted while others were copied."""
DAMAGED_EXIT_CODE = 1


@dataclass(frozen=True)
class Source:
    """A service to back up; its encryption key is None if it has none."""

    database: str
    store: ArtifactStore
    uploads: UploadStore
    cipher: MultiFernet | None

    def chunks(self, row: FileRow) -> Iterator[bytes]:
        """Yield the content of a file.

        Raises:
            ArtifactNotFoundError, FileNotFoundError: there is no such file any more.
        """
        if isinstance(row, Artifact):
            file = self.store.open(row)
        else:
            self.uploads.fetch(row.id, row.media_type, row.sha256)
            file = LocalFile.find(self.uploads.path(row.id, row.media_type))
        return file.chunks(range(file.size_bytes))


def main() -> None:
    """Back up the database, all results and all uploaded datasets; the service may keep running."""
    parser = argparse.ArgumentParser("zpruner backup", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where to write the backup: a new folder")
    folder = parser.parse_args().folder
    warn_of_ignored_file("zpruner backup")
    os.umask(UMASK)
    with checks.exit_on_error("backup"), reported():
        settings = read_settings(Settings)
        checks.require([checks.database(settings.database, needs_tables=False)])
        _require_tables(settings.database)
        manifest = back_up(source_of(settings), folder)
    jobs = manifest.rows.get("jobs", 0)
    sys.stdout.write(f"{folder} has a backup of {jobs} jobs, as of {manifest.made_at:%F %T} UTC.\n")
    for path, damage in manifest.damaged.items():
        sys.stderr.write(f"backup: {path} {damage}.\n")
    sys.exit(DAMAGED_EXIT_CODE if manifest.damaged else 0)


def source_of(settings: Settings) -> Source:
    """Return the service with these settings."""
    cipher = None
    with suppress(EncryptionKeyError):
        cipher = read_cipher(settings)
    return Source(settings.database, open_store(settings), open_uploads(settings), cipher)


def back_up(source: Source, folder: Path) -> Manifest:
    """Write a backup of everything that is committed before this call.

    Published files never change, and are stored before the rows that name them. So rows are read
    first, and are read again if one of their files was deleted before it was copied.

    Raises:
        BackupError: the folder is not empty, or there is no key for the secrets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty. Name a new folder.")
    missing: set[str] = set()
    for _ in range(ROUNDS):
        manifest, before = _read_rows(source, folder), missing
        damaged = _copy_files(source, folder)
        missing = {path for path, damage in damaged.items() if damage is None}
        if missing <= before:  # they are missing in the service, too
            break
    manifest.damaged = {
        path: damage or "is missing in the service" for path, damage in damaged.items()
    }
    manifest.write(folder)
    listed = ((path_of(row), row.sha256) for row in file_rows(folder))
    write_checksums(folder, (one for one in listed if one[0] not in damaged))
    if before:  # rows were read again
        _delete_unlisted(folder)
    return manifest


def file_rows(folder: Path) -> Iterator[FileRow]:
    """Yield the rows of all files that a backup should have."""
    for table in (Artifact.__tablename__, Dataset.__tablename__):
        rows = (file_row(table, row) for row in read_rows(folder, table))
        yield from (row for row in rows if row is not None)


def _require_tables(url: str) -> None:
    file = sqlite_file(url)
    if (file is not None and not file.exists()) or current_revision(url) is None:
        name = f"ZPRUNER_DATABASE_URL={hide_password(url)}"
        raise BackupError(f"{name} has no tables. Correct the setting, or ZPRUNER_DATA_DIR.")


def _read_rows(source: Source, folder: Path) -> Manifest:
    with snapshot(source.database) as connection:
        migration = revision_of(connection)
        made_at = datetime.now(UTC)
        rows = dump(connection, folder, partial(encrypted, source.cipher))
    return Manifest(
        version=version("zpruner"),
        migration=str(migration),
        made_at=made_at,
        key_check=key_check(source.cipher),
        rows=rows,
    )


def _copy_files(source: Source, folder: Path) -> dict[str, str | None]:
    """Copy the files that the backup lacks.

    Return those that cannot be copied, each with the damage; None for those that are missing.
    """
    damaged: dict[str, str | None] = {}
    for row in file_rows(folder):
        name, path = path_of(row), folder / path_of(row)
        if path.exists():
            continue
        try:
            digest = write_file(path, source.chunks(row))
        except (ArtifactNotFoundError, FileNotFoundError):
            damaged[name] = None
        except EOFError:
            damaged[name] = "is truncated in the service"
        else:
            if digest != row.sha256:
                path.unlink()
                damaged[name] = f"has the sha256 {digest} in the service, not {row.sha256}"
    return damaged


def _delete_unlisted(folder: Path) -> None:
    """Delete copies of files that the service has deleted since."""
    listed = {path_of(row) for row in file_rows(folder)}
    for top in (folder / "artifacts", folder / "uploads"):
        for path in [path for path in top.rglob("*") if path.is_file()]:
            if path.relative_to(folder).as_posix() not in listed:
                path.unlink()
    for path in (folder / "artifacts").glob("*/"):
        if not any(one.is_file() for one in path.rglob("*")):
            shutil.rmtree(path)


if __name__ == "__main__":
    main()
