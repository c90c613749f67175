"""The hidden folder in which an output folder is prepared."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from db.core.errors import SpecRefusedError
from worker.pruning.base.errors import PruningError
from worker.pruning.base.names import WORKING_FOLDERS


@contextmanager
def partial_folder(out: Path) -> Iterator[Path]:
    """Yield a hidden folder, and rename it to ``out`` if the body succeeds.

    If the body raises a `PruningError`, the folder is deleted, with the parents that were created
    for it. After any other error, the folder is kept if the next run can resume from it, and
    deleted if not. After a keyboard interrupt the folder is always kept.

    Raises:
        SpecRefusedError: ``out`` exists and is not empty, or another process is writing it.
    """
    folder = out.absolute().with_name(f".{out.name}.partial")
    created = [parent for parent in folder.parents if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, out):
        try:
            require_new_folder(out)
            if not _can_resume(folder):  # of a run that ended during the rename
                _empty(folder)
            yield folder
        except Exception as error:
            if isinstance(error, PruningError) or not _can_resume(folder):
                shutil.rmtree(folder)
                _remove_empty(created)
            raise
        os.replace(folder, out)


def _can_resume(folder: Path) -> bool:
    """Whether the folder has the working files of an interrupted run."""
    return any((folder / name).exists() for name in WORKING_FOLDERS)


def require_new_folder(out: Path) -> None:
    """Check that a folder does not exist, or is empty.

    Raises:
        SpecRefusedError: ``out`` is a file, or a folder that is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SpecRefusedError(
            "out", str(out), "out_exists", "it exists and is not empty", "Name a new folder."
        )


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    """Lock the folder; the lock is released when the process ends, even if it is killed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _lock(descriptor, folder):
            raise SpecRefusedError(
                "out",
                str(out),
                "out_in_use",
                "another process is writing it",
                "Wait for it, or name another folder.",
            )
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # The process that had the lock may just have renamed the folder to its final name.
    return folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat())


def _empty(folder: Path) -> None:
    """Delete the content of the folder, but not the folder, which is locked."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_empty(folders: Sequence[Path]) -> None:
    """Delete empty folders, innermost first."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
