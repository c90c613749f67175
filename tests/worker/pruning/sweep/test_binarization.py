"""Sweeps that binarise each block."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch

from tests.models import FAMILIES, FUSED, write_model
from tests.worker.pruning.sweeps import sweep, tensors
from worker.pruning.base.errors import BinarizationError
from worker.pruning.binarization.binarizing import Binarizing
from worker.pruning.binarization.kept_of_blocks import kept_of_blocks
from worker.pruning.binarization.settings import Binarization
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult

SETTINGS = Binarization(4, 2, 6, 16, 0.1)
BINARIZED = Recipe(None, SETTINGS.pattern, own=Binarizing(SETTINGS))
UNIFORM = replace(BINARIZED, own=Binarizing(replace(SETTINGS, low=4, high=4)))
CONFIGS = {**FAMILIES, **FUSED}


def kept_numbers(reports: list[BlockResult]) -> list[int]:
    """Return how many of each eight neighbours each block keeps."""
    kept = [block.layers[0].binarized for block in reports]
    return [one.kept_of_eight for one in kept if one is not None]


@pytest.mark.parametrize(
    ("family", "recipe"),
    [
        ("llama", BINARIZED),
        ("llama", replace(BINARIZED, propagation="reference")),
        ("llama", UNIFORM),
        ("phi3", BINARIZED),
        ("gpt2-conv1d", BINARIZED),
        ("mixtral-experts", BINARIZED),
    ],
)
def test_each_group_keeps_as_many_weights_as_its_block(
    tmp_path: Path, family: str, recipe: Recipe
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    reports, result = sweep(dense, tmp_path / "out", recipe)

    numbers = kept_numbers(reports)
    assert fmean(numbers) == 4
    zeros = sum(block.zeros for block in reports)
    expected = sum(
        block.weights * (8 - number) // 8 for block, number in zip(reports, numbers, strict=True)
    )
    assert zeros == expected
    assert result.pruned_loss is not None
    before, after = tensors(dense), tensors(tmp_path / "out")
    assert {name: value.shape for name, value in before.items()} == {
        name: value.shape for name, value in after.items()
    }
    for block in reports:
        for layer in block.layers:
            assert layer.binarized is not None
            assert layer.binarized.total < 32 * layer.weights


def test_blocks_that_change_the_hidden_state_more_keep_more_weights(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    reports, _ = sweep(dense, tmp_path / "out", BINARIZED)
    distances = [block.distance for block in reports]
    assert None not in distances
    expected = kept_of_blocks(SETTINGS, [one or 0.0 for one in distances])
    assert kept_numbers(reports) == expected
    assert len(set(expected)) > 1


def test_the_dense_model_is_not_measured_if_all_blocks_keep_the_same(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    reports, _ = sweep(dense, tmp_path / "out", UNIFORM)
    assert [block.distance for block in reports] == [None] * 3


def test_skipped_layers_keep_every_bit(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = replace(BINARIZED, skip=("*.o_proj", "model.layers.0.*"))
    sweep(dense, tmp_path / "out", recipe)
    before, after = tensors(dense), tensors(tmp_path / "out")
    for name, old in before.items():
        kept = name.startswith("model.layers.0.") or "proj" not in name or "o_proj" in name
        assert torch.equal(old, after[name]) == kept, name


def test_results_are_the_same_after_conversion_to_json(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    reports, _ = sweep(dense, tmp_path / "out", BINARIZED)
    written = [json.loads(json.dumps(block.as_json())) for block in reports]
    assert [BlockResult.from_json(one) for one in written] == reports


def test_rows_that_do_not_split_into_groups_of_eight_are_refused_before_work(
    tmp_path: Path,
) -> None:
    config = deepcopy(FAMILIES["llama"])
    config.intermediate_size = 44
    dense = write_model(tmp_path / "dense", config)
    with pytest.raises(BinarizationError, match=r"down_proj has rows of 44 weights") as refused:
        sweep(dense, tmp_path / "out", BINARIZED)
    assert "skip it, or leave binarize out" in str(refused.value)
