import torch
from torch import nn

from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.structure.units import Slices, Units, cut_block, outside_of, ranges_of


def test_ranges_name_consecutive_indices_by_their_first_and_their_end() -> None:
    assert ranges_of(torch.tensor([0, 1, 2, 5, 7, 8])) == ((0, 3), (5, 6), (7, 9))
    assert ranges_of(torch.tensor([], dtype=torch.int64)) == ()


def test_the_indices_outside_of_ranges_are_those_in_none_of_them() -> None:
    assert outside_of([(0, 3), (5, 6)], 8).tolist() == [3, 4, 6, 7]
    assert outside_of([], 2).tolist() == [0, 1]


def test_kept_entries_stay_in_the_order_of_the_parameter() -> None:
    slices = Slices("weight", 0, torch.tensor([[0, 3], [1, 4], [2, 5]]))  # gate, then up
    rows = torch.arange(6.0)[:, None]
    assert slices.cut(rows, torch.tensor([0, 2])).flatten().tolist() == [0, 2, 3, 5]
    slices.zero(rows, torch.tensor([1]))
    assert rows.flatten().tolist() == [0, 0, 2, 3, 0, 5]
    assert slices.entries(rows) == 2


def test_each_expert_keeps_channels_of_its_own() -> None:
    (reader,) = linear_layers(nn.Sequential(nn.Linear(3, 1, bias=False)))
    experts = torch.arange(6.0).view(2, 1, 3)
    each = [
        Units(reader, (Slices("down", 1, torch.arange(3)[:, None], expert),)) for expert in (0, 1)
    ]
    chosen = (torch.tensor([0, 1]), torch.tensor([1, 2]))
    cut = cut_block({"down": experts}, list(zip(each, chosen, strict=True)))
    assert cut["down"].tolist() == [[[0, 1]], [[4, 5]]]
