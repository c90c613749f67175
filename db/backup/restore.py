"""``zpruner restore FOLDER``: restore a backup into a service that has no data yet."""

import argparse
import shutil
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from alembic import command
from sqlalchemy.orm import Session

from db.backup.backup import file_rows
from db.backup.folder import BackupError, Manifest, checksums, damages, path_of, reported
from db.backup.row_secrets import decrypted, replaced, require_key
from db.backup.tables import PATIENCE, Change, load
from db.core.access_errors import EncryptionKeyError
from db.core.session import open_sessions, sqlite_file
from db.events.use_sums import add_sums, correction
from db.files.artifact_store import ArtifactStore
from db.files.stores import open_store, open_uploads
from db.scheduling.recovery import RecoveryRepository
from db.schema.migration import migration_config
from db.schema.revision import current_revision, hide_password, known_revisions
from db.spec.datasets.upload_store import UploadStore
from db.startup import checks
from db.startup.encryption_keys import read_cipher
from db.startup.env_file import warn_of_ignored_file
from db.startup.private_files import keep_private
from db.startup.read_settings import read_settings
from db.startup.settings import Settings
from db.tables.artifacts import Artifact


def main() -> None:
    """Restore a backup into an empty database and an empty folder or bucket of results.

    Stop the service first, and start it afterwards. Jobs that were running at the time of the
    backup are queued again.
    """
    parser = argparse.ArgumentParser("zpruner restore", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the backup")
    parser.add_argument("--check", action="store_true", help="only compare all files' digests")
    parser.add_argument(
        "--without-key",
        action="store_true",
        help="the encryption key is lost: leave out callers' secrets, and give webhooks and "
        "triggers new ones",
    )
    arguments = parser.parse_args()
    folder = arguments.folder
    warn_of_ignored_file("zpruner restore")
    with checks.exit_on_error("restore"), reported():
        if arguments.check:
            manifest = require_intact(folder)
        else:
            manifest = restore(folder, read_settings(Settings), not arguments.without_key)
    done = "is intact" if arguments.check else "is restored; start the service"
    jobs = manifest.rows.get("jobs", 0)
    sys.stdout.write(f"The backup of {jobs} jobs as of {manifest.made_at:%F %T} UTC {done}.\n")
    for path, damage in manifest.damaged.items():
        sys.stderr.write(f"restore: {path} is not in the backup: it {damage}.\n")


def require_intact(folder: Path) -> Manifest:
    """Check every file of a backup, and return its manifest.

    Raises:
        BackupError: it is not complete, a newer version made it, or files are damaged or missing.
    """
    manifest = Manifest.read(folder)
    if manifest.migration not in known_revisions():
        raise BackupError(
            f"{folder} was made by version {manifest.version} at migration {manifest.migration}, "
            "which this version does not have. Restore it with that version."
        )
    wrong = [f"{folder}: {damage}" for damage in damages(folder)]
    listed = dict(checksums(folder))
    named = ((path_of(row), row.sha256) for row in file_rows(folder))
    wrong += [
        f"{folder} has no {path} with the sha256 {digest}."
        for path, digest in named
        if listed.get(path) != digest and path not in manifest.damaged
    ]
    if wrong:
        raise BackupError("\n".join(wrong))
    return manifest


def restore(folder: Path, settings: Settings, has_key: bool = True) -> Manifest:
    """Restore a backup; nothing is in the database until every file is stored.

    Raises:
        BackupError: the backup is damaged, the target is not empty, or the key is another one.
    """
    change = _change(Manifest.read(folder), settings) if has_key else replaced
    store, uploads = open_store(settings), open_uploads(settings)
    checks.require([checks.database(settings.database, needs_tables=False)])
    keep_private(settings.data_dir)
    _require_empty(settings, store, uploads)
    manifest = require_intact(folder)
    _restore_files(folder, store, uploads)
    sessions = open_sessions(settings.database, idle_timeout=PATIENCE)
    try:
        with sessions.begin() as session:
            _restore_rows(folder, manifest, session, change)
    finally:
        sessions.kw["bind"].dispose()
    return manifest


def _change(manifest: Manifest, settings: Settings) -> Change:
    if manifest.key_check is None:
        return lambda _, row: row  # there was no key, and so there are no secrets
    try:
        cipher = read_cipher(settings)
    except EncryptionKeyError as error:
        raise BackupError(
            f"{error}. Copy secrets.key of the service that was backed up, or set its "
            "ZPRUNER_SECRETS_KEY. If it is lost, restore with --without-key."
        ) from None
    require_key(cipher, manifest.key_check)
    return partial(decrypted, cipher)


def _require_empty(settings: Settings, store: ArtifactStore, uploads: UploadStore) -> None:
    file, url = sqlite_file(settings.database), settings.database
    if (file is None or file.exists()) and current_revision(url) is not None:
        raise BackupError(
            f"ZPRUNER_DATABASE_URL={hide_password(url)} has tables already. Name a new SQLite file "
            "or an empty database of PostgreSQL."
        )
    if store.published_jobs() or store.staged_jobs() or uploads.unmodified_for(-timedelta(days=1)):
        raise BackupError(
            f"There are files of jobs or datasets in {settings.artifact_location}. Name an empty "
            "folder or an empty prefix of a bucket."
        )


def _restore_files(folder: Path, store: ArtifactStore, uploads: UploadStore) -> None:
    for row in file_rows(folder):
        path = folder / path_of(row)
        if not path.exists():
            continue  # it was damaged in the service
        if isinstance(row, Artifact):
            store.restore(path, row)
        else:
            staged = uploads.stage(row.media_type)
            shutil.copyfile(path, staged)
            uploads.place(staged, row.id, row.sha256)


def _restore_rows(folder: Path, manifest: Manifest, session: Session, change: Change) -> None:
    """Insert the rows into tables of their migration, migrate and sum them, and queue what ran."""
    connection = session.connection()
    command.upgrade(migration_config(connection), manifest.migration)
    load(connection, folder, change)
    command.upgrade(migration_config(connection), "head")
    add_sums(connection, correction(connection))
    RecoveryRepository(session).release_all()


if __name__ == "__main__":
    main()
