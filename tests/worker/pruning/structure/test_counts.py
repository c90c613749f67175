"""How many units a ratio removes, and the widths that are left."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from tests.models import VOCABULARY, write_model
from worker.pruning.base.increments import Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.counts import TOLERANCE
from worker.pruning.structure.neurons import Neurons

CHANNEL, REST = 48, 1056
"""Parameters of a channel, and of the rest of the only block."""


def open_model(folder: Path, width: int) -> MetaModel:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(**sizes, intermediate_size=width, vocab_size=VOCABULARY)
    return MetaModel.open(write_model(folder, config), torch.float32, torch.device("cpu"))


@pytest.mark.parametrize(
    ("width", "ratio", "left"),
    [
        (1024, 0.5, 512),  # a multiple of 128
        (1024, 0.062, 960),  # of 64: 128 channels would be twice as many as asked for
        (1024, 0.03, 992),  # of 32
        (1024, 0.1, 920),  # of 8: 32 channels more or less would miss the ratio
        (1000, 0.5, 488),  # was a multiple of 8 alone
    ],
)
def test_widths_are_multiples_that_quantisation_takes_where_the_ratio_allows(
    tmp_path: Path, width: int, ratio: float, left: int
) -> None:
    reduction = Neurons(ratio).reduction(open_model(tmp_path / "dense", width))
    assert reduction.fields == {"intermediate_size": left}
    share = reduction.parameters_removed / (REST + width * CHANNEL)
    assert share == pytest.approx(ratio, rel=TOLERANCE)


def test_all_increments_leave_widths_of_one_multiple(tmp_path: Path) -> None:
    model = open_model(tmp_path / "dense", 1024)
    widths = [
        Neurons(0.5, increment=Increment(number, 8)).reduction(model).fields["intermediate_size"]
        for number in range(1, 9)
    ]
    assert widths == list(range(960, 511, -64))
