"""Writing a checkpoint shard by shard."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from worker.pruning.base.durable_files import fsync, move_into_place, save_tensors, sha256
from worker.pruning.base.file_digests import remember_digest
from worker.pruning.model.checkpoint import INDEX, Checkpoint
from worker.pruning.model.file_content import FileContent

Measure = Callable[[FileContent], Mapping[str, Any]]
"""Measures the content of a file; the result is ready for JSON."""

_GROUP_BYTES = 64 << 20


class Shard(NamedTuple):
    """One file of the output, complete and on the disk.

    Attributes:
        name: name of the file.
        size_bytes: size of the file.
        sha256: hexadecimal digest of the file.
        modified_ns: modification time of the file when it was complete; the digest is valid as long
            as the file keeps this time.
        measured: what was measured of its tensors while they were in memory; None if nothing was.
    """

    name: str
    size_bytes: int
    sha256: str
    modified_ns: int
    measured: Mapping[str, Any] | None = None


class ShardWriter:
    """Writes the output folder's safetensors files and their index.

    The caller gives tensors that already have the source checkpoint's names and layout. Files are
    hashed and measured while their tensors are in memory, so that no file is read again.

    Args:
        folder: the output folder.
        total: how many shards there will be.
        measure: measures each shard; None to measure nothing.
    """

    def __init__(self, folder: Path, total: int, measure: Measure | None = None) -> None:
        self._folder, self._total, self._measure = folder, total, measure
        self._weight_map: dict[str, str] = {}
        self._size_bytes = 0
        self._written: list[Shard] = []

    @property
    def written(self) -> list[Shard]:
        """All shards written so far, including those of an earlier run, in order of their names."""
        return sorted(self._written)

    def write(self, number: int, tensors: dict[str, Tensor], scratch: Path) -> Shard:
        """Write shard ``number``, counted from 1, and return the `Shard` that describes it.

        The file is written to the folder ``scratch`` and then moved into the output folder, which
        thus never contains an incomplete shard.
        """
        name = f"model-{number:05d}-of-{self._total:05d}.safetensors"
        contiguous = {key: value.cpu().contiguous() for key, value in tensors.items()}
        save_tensors(contiguous, scratch / name, metadata={"format": "pt"})
        content = FileContent(scratch / name, contiguous)
        measured = self._measure(content) if self._measure else None
        move_into_place(scratch / name, self._folder / name)
        remember_digest(self._folder / name, content.sha256)
        status = (self._folder / name).stat()
        shard = Shard(name, status.st_size, content.sha256, status.st_mtime_ns, measured)
        self._weight_map |= dict.fromkeys(tensors, name)
        self._size_bytes += sum(value.nbytes for value in tensors.values())
        self._written.append(shard)
        return shard

    def continue_from(self, shards: Sequence[Shard]) -> Checkpoint:
        """Add the shards of an earlier run to the index; return a checkpoint of their tensors."""
        written = Checkpoint.from_files(self._folder / shard.name for shard in shards)
        for name, stored in written.tensors.items():
            self._weight_map[name] = stored.file.name
            self._size_bytes += stored.size_bytes
        self._written.extend(shards)
        return written

    def finish(self) -> None:
        """Write the index, which completes the checkpoint."""
        index = {
            "metadata": {"total_size": self._size_bytes},
            "weight_map": dict(sorted(self._weight_map.items())),
        }
        (self._folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")
        fsync(self._folder / INDEX)


def shard_files(folder: Path) -> Iterator[Path]:
    """Yield all shards in a folder: the files with names that a `ShardWriter` gives."""
    yield from folder.glob("model-*-of-*.safetensors")


def is_intact(folder: Path, shard: Shard) -> bool:
    """Return whether a shard is in the folder with its recorded size and digest; it is read."""
    path = folder / shard.name
    if not path.is_file() or path.stat().st_size != shard.size_bytes:
        return False
    return sha256(path) == shard.sha256


def copy_groups(checkpoint: Checkpoint, names: Sequence[str]) -> list[list[str]]:
    """Group tensors for copying; a group has at most 64 MiB, or consists of one larger tensor."""
    groups: list[list[str]] = []
    size = _GROUP_BYTES
    for name in names:
        if size + checkpoint.size_bytes([name]) > _GROUP_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += checkpoint.size_bytes([name])
    return groups
