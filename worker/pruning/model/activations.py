"""Hidden states between two blocks, in memory or in a scratch folder."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor


class Activations:
    """A list of batches of hidden states ``[batch, tokens, hidden]``, kept on the host."""

    def __init__(self, spill: Path | None = None) -> None:
        """Keep the batches in files in the folder ``spill``, or in memory if ``spill`` is None."""
        self._spill = spill
        self._batches: list[Tensor] = []
        self._files: dict[int, Path] = {}

    @property
    def spills(self) -> bool:
        """Whether the batches are kept in files."""
        return self._spill is not None

    def copy(self, spill: Path | None) -> "Activations":
        """Return a copy, kept in files in the folder ``spill``; in memory if ``spill`` is None."""
        copy = Activations(spill)
        for hidden in self:
            copy.append(hidden)
        return copy

    def __len__(self) -> int:
        return len(self._batches)

    def append(self, hidden: Tensor) -> None:
        """Add one batch."""
        self._batches.append(torch.empty(0))
        self[len(self._batches) - 1] = hidden

    def __setitem__(self, index: int, hidden: Tensor) -> None:
        # Contiguous in memory and in files: the next forward then uses the same kernels.
        hidden = hidden.cpu().contiguous()
        if self._spill is None:
            self._batches[index] = hidden
            return
        self._files[index] = self._spill / f"{index}.bin"
        _write(self._files[index], hidden)
        self._batches[index] = _placeholder(hidden.dtype, hidden.shape)

    def __getitem__(self, index: int) -> Tensor:
        batch = self._batches[index]
        if self._spill is None:
            return batch
        return _read(self._files[index], batch.dtype, batch.shape)

    def row(self, index: int, row: int) -> Tensor:
        """Return one row ``[tokens, hidden]`` of batch ``index``; no other row is read."""
        batch = self._batches[index]
        if self._spill is None:
            return batch[row]
        return _read(self._files[index], batch.dtype, batch.shape[1:], row)

    def clear(self) -> None:
        """Remove all batches; their files stay until batches appended later overwrite them."""
        self._batches.clear()

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def shapes(self) -> list[tuple[torch.dtype, tuple[int, ...]]]:
        """Return the dtype and shape of each batch."""
        return [(batch.dtype, tuple(batch.shape)) for batch in self._batches]

    def store(self, folder: Path) -> list[Path]:
        """Save each batch to a file in ``folder``.

        Batches that are kept in files are moved to ``folder``, not copied. A saved file does not
        change if its batch is replaced later.

        Returns:
            The files, in batch order.
        """
        paths = [folder / f"{index}.bin" for index in range(len(self))]
        for index, path in enumerate(paths):
            if self._spill is None:
                _write(path, self._batches[index])
            else:
                self._files[index] = self._files[index].rename(path)
        return paths

    def load(self, index: int, path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        """Load batch ``index`` from a file that `store` saved.

        If batches are kept in files, the saved file is used in place.
        """
        if self._spill is None:
            self._batches[index] = _read(path, dtype, shape)
        else:
            self._files[index], self._batches[index] = path, _placeholder(dtype, shape)


def _placeholder(dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """Return a tensor of this shape and dtype that takes the memory of one element."""
    return torch.empty((), dtype=dtype).expand(shape)


def _write(path: Path, hidden: Tensor) -> None:
    hidden.view(torch.uint8).numpy().tofile(path)


def _read(path: Path, dtype: torch.dtype, shape: tuple[int, ...], place: int = 0) -> Tensor:
    """Read the tensor at index ``place`` of a file whose tensors all have this dtype and shape."""
    buffer = torch.empty(shape, dtype=dtype)
    with path.open("rb", buffering=0) as file:
        file.seek(place * buffer.nbytes)
        file.readinto(buffer.view(torch.uint8).numpy().data.cast("B"))
    return buffer
