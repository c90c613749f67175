"""The hidden states between two blocks, batch by batch, in memory or in a scratch folder."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor


class Activations:
    """Hidden states ``[batch, tokens, hidden]`` of some batches, each replaced by its successor."""

    def __init__(self, spill: Path | None = None) -> None:
        """Keep them in memory, or in files below ``spill`` when that is given."""
        self._spill = spill
        self._held: list[Tensor] = []
        self._files: dict[int, Path] = {}

    @property
    def spills(self) -> bool:
        """Whether they are kept in files."""
        return self._spill is not None

    def copy(self, spill: Path | None) -> "Activations":
        """Return the same batches, kept in memory or below ``spill``."""
        copy = Activations(spill)
        for hidden in self:
            copy.append(hidden)
        return copy

    def __len__(self) -> int:
        return len(self._held)

    def append(self, hidden: Tensor) -> None:
        """Add one batch; it is kept on the host."""
        self._held.append(torch.empty(0))
        self[len(self._held) - 1] = hidden

    def __setitem__(self, index: int, hidden: Tensor) -> None:
        # Contiguous wherever it is kept: the next forward then computes with the same kernels.
        hidden = hidden.cpu().contiguous()
        if self._spill is None:
            self._held[index] = hidden
            return
        self._files[index] = self._spill / f"{index}.bin"
        _write(self._files[index], hidden)
        self._held[index] = _stand_in(hidden.dtype, hidden.shape)

    def __getitem__(self, index: int) -> Tensor:
        held = self._held[index]
        if self._spill is None:
            return held
        return _read(self._files[index], held.dtype, held.shape)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def shapes(self) -> list[tuple[torch.dtype, tuple[int, ...]]]:
        """Return dtype and shape of each batch."""
        return [(held.dtype, tuple(held.shape)) for held in self._held]

    def store(self, folder: Path) -> list[Path]:
        """Put each batch into a file of its own that later ones do not overwrite.

        Spilled files are moved there, not copied: the next value of a batch gets a new one.
        """
        paths = [folder / f"{index}.bin" for index in range(len(self))]
        for index, path in enumerate(paths):
            if self._spill is None:
                _write(path, self._held[index])
            else:
                self._files[index] = self._files[index].rename(path)
        return paths

    def load(self, index: int, path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        """Take a batch that was stored; a spilling object uses the file where it lies."""
        if self._spill is None:
            self._held[index] = _read(path, dtype, shape)
        else:
            self._files[index], self._held[index] = path, _stand_in(dtype, shape)


def _stand_in(dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """Return one number that stands for all: it carries shape and dtype."""
    return torch.empty((), dtype=dtype).expand(shape)


def _write(path: Path, hidden: Tensor) -> None:
    hidden.view(torch.uint8).numpy().tofile(path)


def _read(path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    buffer = torch.empty(shape, dtype=dtype)
    with path.open("rb", buffering=0) as file:
        file.readinto(buffer.view(torch.uint8).numpy().data.cast("B"))
    return buffer
