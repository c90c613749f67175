"""The distances of blocks equal a loop that reads like the formula."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.structure.removals import removing
from tests.worker.pruning.sweeps import CALIBRATION, sweep
from worker.pruning.base.errors import NotFiniteError
from worker.pruning.structure.depth import Depth


def test_a_distance_is_the_mean_over_tokens_of_one_minus_the_cosine(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    blocks, _ = sweep(dense, tmp_path / "out", removing(Depth(1 / 3)))
    model = AutoModelForCausalLM.from_pretrained(dense).eval()
    with torch.no_grad():
        states = model(CALIBRATION, output_hidden_states=True).hidden_states
    for block, before, after in zip(blocks[:2], states, states[1:], strict=False):
        total = 0.0
        for x, y in zip(before.flatten(0, 1).double(), after.flatten(0, 1).double(), strict=True):
            total += 1 - float(x @ y / (x.norm() * y.norm()))
        assert block.distance == pytest.approx(total / CALIBRATION.numel(), rel=1e-5)
    distances = [block.distance or 0.0 for block in blocks]
    assert [block.is_dropped for block in blocks] == [one == min(distances) for one in distances]


def test_outputs_that_are_not_finite_are_named(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "sound", FAMILIES["llama"]))
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("nan")
    model.save_pretrained(tmp_path / "spoilt")
    with pytest.raises(NotFiniteError, match=r"the output of model\.layers\.1 contains NaN"):
        sweep(tmp_path / "spoilt", tmp_path / "out", removing(Depth(1 / 3)), random_ids(4, 16))
