from pathlib import Path

import pytest
import torch

from worker.pruning.model.activations import Activations


@pytest.mark.parametrize("spills", [False, True])
def test_a_row_of_a_batch_is_read_by_itself(tmp_path: Path, spills: bool) -> None:
    batches = [torch.randn(3, 5, 2), torch.randn(2, 5, 2).bfloat16()]
    states = Activations(tmp_path if spills else None)
    for batch in batches:
        states.append(batch)
    for index, batch in enumerate(batches):
        for row, want in enumerate(batch):
            assert torch.equal(states.row(index, row), want)


@pytest.mark.parametrize("spills", [False, True])
def test_cleared_activations_take_other_batches(tmp_path: Path, spills: bool) -> None:
    states = Activations(tmp_path if spills else None)
    for value in (1.0, 2.0):
        states.append(torch.full((2, 3, 1), value))
        assert len(states) == 1
        assert states[0].flatten().tolist() == [value] * 6
        states.clear()
