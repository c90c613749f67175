"""The tar of a job's files in compact form."""

import hashlib
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from zpruner.files.compact_layout import COMPACT_SUFFIX
from zpruner.files.errors import FilesError
from zpruner.files.folder import expand_file, original_name


def extract(archive: Path, wanted: Mapping[str, tuple[Path, str]]) -> None:
    """Write the files of an archive; weights are expanded, and every file is verified.

    Args:
        archive: the tar, whose members are in one folder.
        wanted: the path to write and the SHA-256, by the file's name.

    Raises:
        FilesError: the archive is damaged, or does not hold exactly these files.
    """
    left = dict(wanted)
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                name = member.name.partition("/")[2]
                original = original_name(name) if name.endswith(COMPACT_SUFFIX) else name
                content = tar.extractfile(member) if member.isfile() else None
                if content is None or original not in left:
                    raise FilesError(f"the archive holds {name!r:.200}, which is no file of it")
                _write(content, *left.pop(original), is_compact=name != original)
    except tarfile.TarError as error:
        raise FilesError(f"the archive is damaged: {error}; get it again") from None
    if left:
        raise FilesError(f"the archive lacks {min(left)}; get it again")


def _write(content: IO[bytes], path: Path, sha256: str, *, is_compact: bool) -> None:
    """Write a file beside its path, and give it its name once it is verified."""
    path.parent.mkdir(parents=True, exist_ok=True)
    received = path.with_name(f"{path.name}.received")
    expanded = path.with_name(f"{path.name}.expanded")
    try:
        with received.open("wb") as file:
            shutil.copyfileobj(content, file)
        if is_compact:
            expanded.unlink(missing_ok=True)
            found = expand_file(received, expanded)
            expanded.replace(received)
        else:
            with received.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise FilesError(f"{path.name} has the sha256 {found} instead of {sha256}")
        received.replace(path)
    finally:
        received.unlink(missing_ok=True)
        expanded.unlink(missing_ok=True)
