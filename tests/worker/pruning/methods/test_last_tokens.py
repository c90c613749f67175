"""Channels are counted by window, and go in the order in which prompts agree."""

import torch

from worker.pruning.methods.last_tokens import agreement, counted, first_agreed


def test_signs_decide_which_activations_are_small() -> None:
    activations = torch.tensor([[-5.0, 0.0, 3.0, 4.0], [0.1, -2.0, 0.0, 9.0]])
    assert counted(activations, 0.5, largest=False).tolist() == [1, 2, 1, 0]
    assert counted(activations, 0.5, largest=True).tolist() == [1, 0, 1, 2]


def test_a_place_where_a_channel_is_always_large_on_general_text_does_not_count() -> None:
    small = torch.tensor([[3, 1, 3, 0], [2, 2, 3, 1]])
    large = torch.tensor([[2, 0, 2, 2], [0, 1, 2, 1]])
    assert agreement(small, large, texts=2).tolist() == [2, 2, 0, 1]
    assert agreement(small, large, texts=0).tolist() == [3, 2, 3, 1]


def test_lower_indices_go_first_and_then_those_on_which_fewer_prompts_agree() -> None:
    agreed, lost = torch.tensor([9, 10, 3, 10, 10, 0]), torch.zeros(6, dtype=torch.bool)
    assert first_agreed(agreed, lost, 2).tolist() == [1, 3]
    assert first_agreed(agreed, lost, 4).tolist() == [0, 1, 3, 4]
    lost[5] = True
    assert first_agreed(agreed, lost, 2).tolist() == [1, 5]
