"""Folders of models, and the folders that compact ones were made from."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from uuid import uuid4

from zpruner.files.elements import PIECE_BYTES
from zpruner.files.errors import FilesError
from zpruner.files.expanded_file import COMPACT_SUFFIX, ExpandedFile
from zpruner.files.header import SUFFIX

CHECKSUMS = "SHA256SUMS"

Advance = Callable[[float], object]
"""Called with the number of bytes of the source folder that are done since the last call."""


def expand_folder(folder: Path, out: Path, advance: Advance = lambda _: None) -> None:
    """Write the folder that a compact one was made from; all digests are verified.

    Raises:
        FilesError: ``folder`` has no compact file, a damaged one, or links, or differs from its
            checksums; or ``out`` exists or lies in ``folder``, or has too little space.
        OSError: a file cannot be read or written.
    """
    files = files_of(folder)
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise FilesError(f"{path} is a link; copy the folder with `cp -rL`, expand the copy")
    if not any(name.endswith(COMPACT_SUFFIX) for name in files):
        raise FilesError(f"{folder} has no compact file; name a folder of `zpruner compact`")
    with _new_folder(folder, out) as new:
        _require_space(new, files)
        digests = {}
        for name, path in files.items():
            if name.endswith(COMPACT_SUFFIX):
                original = original_name(name)
                digests[original] = expand_file(path, new / original, advance)
            else:
                digests[name] = _copy(path, new / name, advance)
        _verify(new, digests)


def expand_file(path: Path, target: Path, advance: Advance = lambda _: None) -> str:
    """Write the original of a compact file, and return its SHA-256, which is verified.

    Raises:
        FilesError: the file is damaged, or the target exists.
    """
    expanded = ExpandedFile(path)
    digest = _write(target, expanded, expanded.size_bytes, path.stat().st_size, advance)
    if digest != expanded.sha256:
        raise FilesError(
            f"{path.name} expands to a file with the sha256 {digest} instead of "
            f"{expanded.sha256}; it is damaged: get it again"
        )
    return digest


def original_name(name: str) -> str:
    """Return the name of the file that a compact one was made from."""
    return name.removesuffix(COMPACT_SUFFIX) + SUFFIX


def files_of(folder: Path) -> dict[str, Path]:
    """Return a folder's files by their names in it, such as ``model/config.json``.

    Raises:
        FilesError: there is no such folder, or it holds something else than files and folders.
    """
    if not folder.is_dir():
        raise FilesError(f"{folder} is no folder; name the folder of a model")
    files = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() and not (path.is_dir() and not path.is_symlink()):
            raise FilesError(f"{path} is neither a file nor a folder; remove it")
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path
    return files


def _require_space(new: Path, files: Mapping[str, Path]) -> None:
    """Check that a new folder can hold the originals of compact files, and copies of the others."""
    needed = sum(
        ExpandedFile(path).size_bytes if name.endswith(COMPACT_SUFFIX) else path.stat().st_size
        for name, path in files.items()
    )
    if needed > (free := shutil.disk_usage(new).free):
        raise FilesError(
            f"the expanded files need {needed:,} bytes, and {free:,} are free; free some, or name "
            "a folder on another disk"
        )


@contextmanager
def _new_folder(source: Path, out: Path) -> Iterator[Path]:
    """Yield a hidden folder, which becomes ``out`` if the body succeeds, and else is deleted."""
    if out.exists() or out.is_symlink():
        raise FilesError(f"{out} exists; name a new folder")
    if out.resolve().is_relative_to(source.resolve()):
        raise FilesError(f"{out} lies in {source}; name a folder elsewhere")
    hidden = out.with_name(f".{out.name}.{uuid4().hex}")
    hidden.mkdir(parents=True)
    try:
        yield hidden
        hidden.rename(out)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def _copy(path: Path, target: Path, advance: Advance) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        return _write(target, iter(lambda: file.read(PIECE_BYTES), b""), size, size, advance)


def _write(
    target: Path, content: Iterable[bytes], size: int, source_size: int, advance: Advance
) -> str:
    """Write a new file and return its SHA-256; its progress is scaled to the source's size."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for data in content:
            file.write(data)
            digest.update(data)
            advance(len(data) * source_size / size)
    return digest.hexdigest()


def _verify(folder: Path, digests: dict[str, str]) -> None:
    """Compare digests with the file of checksums, if there is one."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return
    for line in path.read_text("utf-8").splitlines():
        expected, _, name = line.partition("  ")
        if (digest := digests.get(str(PurePosixPath(name)))) is None:
            raise FilesError(f"{name} is in {CHECKSUMS}, but not in the folder; get it again")
        if digest != expected:
            raise FilesError(
                f"{name} has the sha256 {digest} instead of {expected}; it is damaged: get it again"
            )
