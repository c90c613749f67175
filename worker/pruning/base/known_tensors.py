"""Tensors that were computed once, in files that may be deleted at any time."""

import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from worker.pruning.base.durable_files import move_into_place, save_tensors
from worker.pruning.base.known_values import delete_unused

logger = logging.getLogger(__name__)
MOST_BYTES = 8 << 30
"""The most bytes that the files of a folder take; those that were not used for longest go first."""
SUFFIX = ".safetensors"


class KnownTensors:
    """The tensors of a file, which stay readable if the file is deleted.

    Args:
        file: the opened file.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.names = tuple(file.keys())

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._file.get_tensor(name)
        return tensor


def open_tensors(path: Path) -> KnownTensors | None:
    """Open a file; return None if there is none, or if it was not written under this name."""
    try:
        file: Any = safe_open(path, "pt")
        tensors = KnownTensors(file)
        if (file.metadata() or {}).get("sha256") == _digest(path, _by_name(tensors)):
            with suppress(OSError):  # a folder that cannot be written can be read
                os.utime(path)
            return tensors
    except FileNotFoundError:
        return None
    except SafetensorError:
        pass
    logger.warning("%s is damaged, or not of this measurement; measuring again", path)
    return None


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Store tensors, so that a reader finds them as a whole or not at all; delete unused files.

    Args:
        path: the file, whose name ends with `SUFFIX` and is a digest of all that the tensors depend
            on.
        tensors: contiguous tensors in the host's memory.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f"{path.stem}.", delete=False) as file:
        written = Path(file.name)
    save_tensors(dict(tensors), written, {"sha256": _digest(path, tensors)})
    move_into_place(written, path)
    delete_unused(path.parent, time.time(), SUFFIX, MOST_BYTES)


def _by_name(tensors: KnownTensors) -> dict[str, Tensor]:
    return {name: tensors[name] for name in tensors.names}


def _digest(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors and of the name of their file."""
    content = sha256(path.stem.encode())
    for name in sorted(tensors):
        content.update(f"\0{name}\0".encode())
        content.update(tensors[name].numpy().data)
    return content.hexdigest()
