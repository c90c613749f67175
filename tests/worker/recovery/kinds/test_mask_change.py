"""Counting the places of a mask that have moved."""

import torch

from worker.recovery.kinds.mask_change import MaskChange


def test_only_matrices_that_had_zeros_count_and_a_swap_moves_two_places() -> None:
    before = {
        "swapped": torch.tensor([[1.0, 0.0, 2.0, 0.0]]),
        "dense": torch.tensor([[1.0, 2.0]]),
        "bias": torch.tensor([0.0, 1.0]),
        "not trained": torch.tensor([[0.0]]),
    }
    after = {
        "swapped": torch.tensor([[0.0, 3.0, 2.5, 0.0]]),
        "dense": torch.tensor([[1.5, 0.0]]),
        "bias": torch.tensor([0.5, 0.0]),
    }
    change = MaskChange.between(before, after)
    assert change == MaskChange(moved=2, places=4)
    assert (change + MaskChange(1, 2)).share == 0.5
    assert MaskChange().share == 0.0
