"""The draw of the calibration windows to train on, and of those held out."""

from collections.abc import Iterator

import torch

from worker.pruning.refinement.settings import WindowCounts


class WindowDraw:
    """Draws the calibration windows to train on and those to hold out.

    All blocks use the same split, so that no block has been trained on a held-out window. Every
    rank draws the same windows.

    Args:
        counts: how many windows there are in all, to train on, to hold out, and in each step.
        seed: seed of the draw.
        first_step: number of steps of the draw that are skipped, because earlier increments have
            made them.

    Attributes:
        per_step: number of windows in each step.
        held_out: indices of the windows that are held out.
        training: indices of the windows to train on.
    """

    def __init__(self, counts: WindowCounts, seed: int, first_step: int = 0) -> None:
        self.per_step, self._seed, self._first_step = counts.per_step, seed, first_step
        order = _shuffled(list(range(counts.available)), _generator(seed))
        used = counts.training + counts.held_out
        self.held_out = sorted(order[: counts.held_out])
        self.training = sorted(order[counts.held_out : used])

    def batches(self, block: int, steps: int) -> Iterator[list[int]]:
        """Yield the indices of each step's windows.

        All training windows are used in a random order, then again in another random order, and so
        on.

        Args:
            block: index of the block; each block has its own random orders.
            steps: number of steps.
        """
        generator, left = _generator(self._seed + 1 + block), list[int]()
        for step in range(self._first_step + steps):
            while len(left) < self.per_step:
                left += _shuffled(self.training, generator)
            if step >= self._first_step:
                yield left[: self.per_step]
            left = left[self.per_step :]


def _shuffled(windows: list[int], generator: torch.Generator) -> list[int]:
    order = torch.randperm(len(windows), generator=generator).tolist()
    return [windows[place] for place in order]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
