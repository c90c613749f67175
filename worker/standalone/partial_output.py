"""The hidden folder beside an output folder in which that is made."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from db.core.errors import SpecRefusedError
from worker.pruning.base.errors import PruningError
from worker.pruning.base.names import PROGRESS_FOLDER


@contextmanager
def partial(out: Path) -> Iterator[Path]:
    """Lend the folder in which ``out`` is made; it gets that name when all went well.

    Where the work is interrupted or dies, the folder stays, and the next run continues in it. It
    is deleted, with the parents made for it, where no run can continue from it: the model or an
    option was refused, or no block was finished.

    Raises:
        SpecRefusedError: ``out`` exists and is not empty, or another process is making it.
    """
    folder = out.absolute().with_name(f".{out.name}.partial")
    made = [one for one in folder.parents if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, out):
        try:
            refuse_taken(out)
            if not (folder / PROGRESS_FOLDER).exists():  # of a run that died while it handed over
                _empty(folder)
            yield folder
        except Exception as error:
            if isinstance(error, PruningError) or not (folder / PROGRESS_FOLDER).exists():
                shutil.rmtree(folder)
                _remove_empty(made)
            raise
        os.replace(folder, out)


def refuse_taken(out: Path) -> None:
    """Refuse a folder that holds something already.

    Raises:
        SpecRefusedError: it does.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SpecRefusedError(
            "out", str(out), "out_exists", "it exists and is not empty", "Name a new folder."
        )


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock ends with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _lock(descriptor, folder):
            raise SpecRefusedError(
                "out",
                str(out),
                "out_in_use",
                "another process is writing it",
                "Wait for that one, or name another folder.",
            )
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Whoever held it may just have finished and given the folder its final name.
    return folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat())


def _empty(folder: Path) -> None:
    """Delete what is in the folder, but not the folder, which is locked."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_empty(folders: Sequence[Path]) -> None:
    """Delete folders, inmost first, as far as they are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
