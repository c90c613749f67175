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

    @property
    def spills(self) -> bool:
        """Whether they are kept in files."""
        return self._spill is not None

    def __len__(self) -> int:
        return len(self._held)

    def append(self, hidden: Tensor) -> None:
        """Add one batch; it is kept on the host."""
        self._held.append(torch.empty(0))
        self[len(self._held) - 1] = hidden

    def __setitem__(self, index: int, hidden: Tensor) -> None:
        hidden = hidden.cpu()
        if self._spill is None:
            self._held[index] = hidden
            return
        # One number that stands for all: it carries shape and dtype.
        self._held[index] = torch.empty((), dtype=hidden.dtype).expand(hidden.shape)
        hidden.contiguous().view(torch.uint8).numpy().tofile(self._spill / f"{index}.bin")

    def __getitem__(self, index: int) -> Tensor:
        held = self._held[index]
        if self._spill is None:
            return held
        buffer = torch.empty(held.shape, dtype=held.dtype)
        with (self._spill / f"{index}.bin").open("rb", buffering=0) as file:
            file.readinto(buffer.view(torch.uint8).numpy().data.cast("B"))
        return buffer

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))
