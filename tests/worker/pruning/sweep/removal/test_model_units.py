"""The units that blocks lose in one increment after the other."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.models import FAMILIES, write_model
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt
from worker.pruning.sweep.removal.model_units import ModelUnits

CHANNEL = 96
"""Parameters of a channel, which has the fewest of all units of the small Llama."""


def test_heads_go_although_an_increment_is_smaller_than_a_head(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    units = ModelUnits(meta_model, MeasuredUnits(0.4, Adapt(), uniform=False))
    importance = torch.rand(units.count, generator=torch.Generator().manual_seed(0)).double()
    heads, lost = list[int](), [units.lost.clone()]
    for number in range(1, 5):
        shares = [share * number / 4 for share in (0.1, 0.4, 0.7)]
        removed = units.removed_below(importance, units.kept_by_share(shares))
        for block, own in enumerate(removed):
            for module in units.within(block):
                if module.name in own:
                    module.of(units.lost)[own[module.name]] = True
        wanted = sum(share * size for share, size in zip(shares, units.sizes(), strict=True))
        assert sum(units.lost_sizes()) == pytest.approx(wanted, abs=CHANNEL / 2)
        heads.append(sum(len(own.get("self_attn.o_proj", ())) for own in removed))
        lost.append(units.lost.clone())
    assert all(bool((after | ~before).all()) for before, after in pairwise(lost))
    assert heads == sorted(heads)
    assert heads[-1] == 2
