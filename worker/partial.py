"""The hidden folder beside an output folder in which that is made."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.errors import JobError, SpecRefusedError
from worker.pruning.errors import PruningError
from worker.pruning.progress import FOLDER


@contextmanager
def partial(out: Path) -> Iterator[Path]:
    """Lend the folder in which ``out`` is made; it gets that name when all went well.

    Where the work is interrupted or dies, the folder stays, and the next run goes on in it. What
    no run can go on from, because the model or an option was refused, is deleted.

    Raises:
        SpecRefusedError: ``out`` exists and is not empty, or another process is making it.
    """
    folder = out.absolute().with_name(f".{out.name}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, out):
        try:
            _refuse_taken(out)
            if not (folder / FOLDER).exists():  # of a run that died while it handed over
                _empty(folder)
            yield folder
        except PruningError:
            shutil.rmtree(folder)
            raise
        except JobError:
            if not (folder / FOLDER).exists():
                shutil.rmtree(folder)
            raise
        os.replace(folder, out)


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


def _refuse_taken(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SpecRefusedError(
            "out", str(out), "out_exists", "it exists and is not empty", "Name a new folder."
        )


def _empty(folder: Path) -> None:
    """Delete what is in the folder, but not the folder, which is locked."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
