"""Folders without units that are zero."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, MistralConfig, Qwen2Config

from tests.worker.conversion.zeros import SIZES, WIDTH, write_zeros
from worker.conversion.uneven_folder import without_zeros
from worker.conversion.uneven_record import UnevenRecord
from worker.pruning.model.checkpoint import Checkpoint


def test_units_that_are_zero_are_left_out_and_the_widths_are_recorded(tmp_path: Path) -> None:
    folder = write_zeros(tmp_path / "model", range(64), [1])
    (folder / "tokenizer.json").write_text("{}")
    with without_zeros(folder, tmp_path) as out:
        assert UnevenRecord.read(out) == UnevenRecord([96, 32], [8, 6], [4, 3], WIDTH)
        whole, cut = Checkpoint.open(folder), Checkpoint.open(out)
        assert cut.tensors.keys() == whole.tensors.keys()
        down = "model.layers.1.mlp.down_proj.weight"
        assert torch.equal(cut.read(down), whole.read(down)[:, 64:])
        queries = "model.layers.1.self_attn.q_proj.weight"
        rows = [*range(2 * WIDTH), *range(4 * WIDTH, 8 * WIDTH)]
        assert torch.equal(cut.read(queries), whole.read(queries)[rows])
        assert (out / "tokenizer.json").read_text() == "{}"
        assert json.loads((out / "config.json").read_text())["intermediate_size"] == 96
    assert not out.exists()


@pytest.mark.parametrize(
    ("zero", "kept"), [(1, 96), (32, 64), (33, 64), (64, 32), (90, 32), (96, 32)]
)
def test_channels_that_stay_are_filled_up_to_a_multiple_of_32(
    tmp_path: Path, zero: int, kept: int
) -> None:
    folder = write_zeros(tmp_path / "model", range(zero))
    with without_zeros(folder, tmp_path) as out:
        record = UnevenRecord.read(out)
        assert (out == folder) == (kept == 96)
        assert record is None or list(record.channels) == [96, kept]


def test_one_head_stays_if_all_are_zero(tmp_path: Path) -> None:
    with without_zeros(write_zeros(tmp_path / "model", [], range(4)), tmp_path) as out:
        record = UnevenRecord.read(out)
        assert record is not None
        assert (record.heads, record.key_heads) == ([8, 2], [4, 1])


@pytest.mark.parametrize(
    "zeros",
    [
        {"matrices": ["down_proj"]},  # as unstructured pruning may leave them
        {"config": Qwen2Config(**SIZES)},
        {"config": MistralConfig(**SIZES, sliding_window=8)},
        {"config": LlamaConfig(**SIZES, hidden_act="gelu")},
        {"channels": ()},
    ],
    ids=["columns-alone", "other-family", "sliding-window", "other-activation", "no-zeros"],
)
def test_any_other_folder_is_converted_as_it_is(tmp_path: Path, zeros: dict[str, Any]) -> None:
    folder = write_zeros(tmp_path / "model", **({"channels": range(64)} | zeros))
    with without_zeros(folder, tmp_path) as out:
        assert out == folder
