"""The one pass over a file of weights that computes its SHA-256 and checks its numbers."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from worker.pruning.base.errors import CheckpointError
from worker.pruning.base.file_digests import file_identity, remember_digest
from worker.pruning.model.block_scales import EIGHT_BITS
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.stored_tensors import StoredTensor, read_header

_PIECE_BYTES = 16 << 20


class ScannedFile(NamedTuple):
    """The digest of a file of weights, and the faults of its tensors.

    Attributes:
        sha256: hexadecimal digest of the file.
        faults: what is wrong with its tensors, and the remedy, for each faulty one by its name.
    """

    sha256: str
    faults: dict[str, tuple[str, str]]


_known: dict[tuple[int, ...], ScannedFile] = {}


def scanned(path: Path) -> ScannedFile:
    """Read a file of weights once in this process, unless it could have changed since.

    `file_digest` does not read the file again.
    """
    identity = file_identity(path)
    if identity not in _known:
        _known[identity] = _Scan().run(path)
        remember_digest(path, _known[identity].sha256)
    return _known[identity]


def check_finite(checkpoint: Checkpoint) -> None:
    """Check that all floating-point numbers of a checkpoint are finite, by `scanned`.

    Raises:
        CheckpointError: a tensor contains NaN or infinity, or its file is truncated.
    """
    files = dict.fromkeys(stored.file for _, stored in checkpoint.parts)
    faults = {file: scanned(file).faults for file in files}
    for name, stored in checkpoint.parts:
        if (fault := faults[stored.file].get(name)) is not None:
            raise CheckpointError(*fault)


class _Scan:
    """A pass over a file, in pieces of at most 16 MiB."""

    def __init__(self) -> None:
        self._digest, self._faults = hashlib.sha256(), dict[str, tuple[str, str]]()
        self._buffer = torch.empty(_PIECE_BYTES, dtype=torch.uint8)

    def run(self, path: Path) -> ScannedFile:
        with path.open("rb", buffering=0) as self._file:
            for name, stored in _in_file_order(path):
                if stored.offset < self._file.tell():
                    self._fault(name, f"tensor {name!r} shares bytes with another one in its file")
                    continue
                self._skip(stored.offset - self._file.tell())
                self._check(name, stored)
            while len(self._next(_PIECE_BYTES)):
                pass
        return ScannedFile(self._digest.hexdigest(), self._faults)

    def _check(self, name: str, stored: StoredTensor) -> None:
        for start in range(0, stored.size_bytes, _PIECE_BYTES):
            size = min(_PIECE_BYTES, stored.size_bytes - start)
            if len(data := self._next(size)) < size:
                self._fault(name, f"{stored.file.name} ends inside tensor {name!r}")
                return
            if stored.dtype.is_floating_point and not _is_finite(data.view(stored.dtype)):
                text = f"tensor {name!r} contains NaN or infinity"
                self._fault(name, text, "provide an undamaged checkpoint")

    def _skip(self, size: int) -> None:
        while size and len(data := self._next(min(size, _PIECE_BYTES))):
            size -= len(data)

    def _next(self, size: int) -> Tensor:
        """Return the next bytes, fewer at the end of the file; valid until the next call."""
        view, count = memoryview(self._buffer.numpy().data)[:size], 0
        while count < size and (read := self._file.readinto(view[count:])):
            count += read
        self._digest.update(view[:count])
        return self._buffer[:count]

    def _fault(self, name: str, text: str, remedy: str = "") -> None:
        self._faults.setdefault(name, (text, remedy))


def _is_finite(values: Tensor) -> bool:
    if values.dtype is EIGHT_BITS:  # all bits but the sign are set in NaN, and there is no infinity
        return not bool((values.view(torch.uint8) & 0x7F == 0x7F).any())
    # Both are NaN if any number is; this is six times as fast as isfinite.
    low, high = values.aminmax()
    return bool(low.isfinite() & high.isfinite())


def _in_file_order(path: Path) -> list[tuple[str, StoredTensor]]:
    try:
        stored = read_header(path)
    except CheckpointError:  # opening the checkpoint reports it; the digest is known all the same
        return []
    return sorted(stored.items(), key=lambda item: (item[1].offset, item[1].size_bytes))
