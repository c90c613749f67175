"""Writing a checkpoint one shard at a time."""

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from worker.pruning.checkpoint import Checkpoint

_GROUP_BYTES = 64 << 20


class ShardWriter:
    """The output folder's safetensors files and their index; names and layout as in the source."""

    def __init__(self, folder: Path, total: int) -> None:
        self._folder, self._total = folder, total
        self._weight_map: dict[str, str] = {}
        self._size_bytes = 0

    def write(self, number: int, tensors: dict[str, Tensor]) -> None:
        """Write shard ``number``, counted from 1."""
        name = f"model-{number:05d}-of-{self._total:05d}.safetensors"
        whole = {key: value.contiguous() for key, value in tensors.items()}
        save_file(whole, self._folder / name, metadata={"format": "pt"})
        self._weight_map |= dict.fromkeys(tensors, name)
        self._size_bytes += sum(value.nbytes for value in tensors.values())

    def finish(self) -> None:
        """Write the index; without it the folder is no checkpoint."""
        index = {
            "metadata": {"total_size": self._size_bytes},
            "weight_map": dict(sorted(self._weight_map.items())),
        }
        path = self._folder / "model.safetensors.index.json"
        path.write_text(json.dumps(index, indent=2) + "\n")


def grouped(checkpoint: Checkpoint, names: Sequence[str]) -> list[list[str]]:
    """Split tensors into groups of at most 64 MB, or of one tensor, to copy one group at a time."""
    groups: list[list[str]] = []
    size = _GROUP_BYTES
    for name in names:
        if size + checkpoint.size_bytes([name]) > _GROUP_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += checkpoint.size_bytes([name])
    return groups
