"""Files that are either complete or absent after a power failure."""

import hashlib
import os
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(
    tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    """Write tensors to a safetensors file.

    Raises:
        OSError: the system refused the write, for example because the disk is full. The error
            number is taken from the message of safetensors' own error.
        SafetensorError: safetensors failed with a message that has no error number.
    """
    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        if match := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(match[1]), os.strerror(int(match[1])), str(path)) from error
        raise


def fsync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(written: Path, target: Path) -> None:
    """Flush a finished file to the disk, rename it to its final path, and flush the folder."""
    fsync(written)
    written.replace(target)
    fsync(target.parent)


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
