"""The windows of a recovery, and their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

import torch
from torch import Tensor

from worker.pruning.base.errors import ShapeError
from worker.recovery.settings import Recovery, window_count, windows_per_step


@dataclass(frozen=True)
class RecoveryWindows:
    """The windows that a recovery uses.

    Attributes:
        ids: ``[windows, tokens]`` int64, the token ids of the held-out windows, followed by those
            of the training windows.
        held_out: number of held-out windows.
        order: ``[n]`` int64, the indices in ``ids`` of the training windows, in training order.
        per_step: number of training windows in a step.
        sources: the number of the text that each held-out window is from.
        skip: how many predicted tokens at the beginning of each window are left out of the loss.
    """

    ids: Tensor
    held_out: int
    order: Tensor
    per_step: int
    sources: tuple[int, ...]
    skip: int

    @classmethod
    def of(
        cls,
        training: Tensor,
        held_out: Tensor,
        recovery: Recovery,
        seed: int,
        ranks: int = 1,
        sources: tuple[int, ...] = (),
    ) -> Self:
        """Choose the training windows and their order.

        Args:
            training: ``[windows, tokens]`` token ids.
            held_out: ``[windows, tokens]`` token ids.
            recovery: the settings, with the number of training tokens.
            seed: determines the order.
            ranks: number of processes. Each gets the same number of windows; if the windows
                do not divide evenly, training uses a few more, and a few held-out windows are left
                out, of each text its first one last.
            sources: the number of the text that each held-out window is from; empty if all are of
                one.

        Raises:
            ShapeError: there are too few windows, or they differ in length.
        """
        if not len(training) or len(held_out) < ranks or training.shape[1] != held_out.shape[1]:
            raise ShapeError(
                f"training windows {list(training.shape)} and held-out windows "
                f"{list(held_out.shape)} need at least one window each, or one for each of several "
                "devices, of the same length",
                "give more text",
            )
        if training.shape[1] <= recovery.skip + 1:
            raise ShapeError(
                f"windows of {training.shape[1]} tokens predict none after skip {recovery.skip}",
                "set a larger seq_len, or a smaller skip of recover",
            )
        sources = sources or (0,) * len(held_out)
        kept = with_each_source(sources, len(held_out) // ranks * ranks)
        held_out, sources = held_out[kept], tuple(sources[place] for place in kept)
        wanted = _multiple(window_count(recovery, training.shape[1]), ranks)
        order = training_order(len(training), wanted, seed)
        firsts: dict[bytes, int] = {}
        keys = [sha256(window.numpy()).digest() for window in training]
        for index in order.tolist():
            firsts.setdefault(keys[index], index)  # a mix has windows several times
        ids = torch.cat([held_out, training[list(firsts.values())]])
        places = {key: len(held_out) + place for place, key in enumerate(firsts)}
        order = torch.tensor([places[keys[index]] for index in order.tolist()])
        per_step = _multiple(windows_per_step(recovery, ids.shape[1]), ranks)
        known = sorted({*sources})  # several devices may leave a text without a window
        numbers = tuple(map(known.index, sources))
        return cls(ids, len(held_out), order, per_step, numbers, recovery.skip)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return -(-len(self.order) // self.per_step)

    @property
    def predicted(self) -> int:
        """Number of predicted tokens in each window that are a part of the loss."""
        return self.ids.shape[1] - 1 - self.skip

    def of_step(self, step: int) -> Tensor:
        """Return the indices of a step's windows, ``[n]``; the last step may have fewer."""
        return self.order[step * self.per_step : (step + 1) * self.per_step]

    def tokens_until(self, step: int) -> int:
        """Return the number of training tokens of the first ``step`` steps."""
        return min(step * self.per_step, len(self.order)) * self.ids.shape[1]


def training_order(windows: int, wanted: int, seed: int) -> Tensor:
    """Return indices of windows in training order, ``[wanted]`` int64.

    All windows are used once in a random order, then all again in another order, and so on. A
    larger ``wanted`` only appends indices.
    """
    generator = torch.Generator().manual_seed(seed)
    epochs = [torch.randperm(windows, generator=generator) for _ in range(-(-wanted // windows))]
    return torch.cat(epochs)[:wanted]


def with_each_source(sources: Sequence[int], count: int) -> list[int]:
    """Return the places of ``count`` windows, or of all if there are fewer, in order.

    The first window of each source is among them, as far as there are so many, then those that come
    first.

    Args:
        sources: the number of the text that each window is from.
        count: how many windows.
    """
    places = range(len(sources))
    order = sorted(places, key=lambda place: sources[place] in sources[:place])
    return sorted(order[:count])


def _multiple(count: int, ranks: int) -> int:
    """Return the smallest multiple of ``ranks`` that is at least ``count``."""
    return -(-count // ranks) * ranks
