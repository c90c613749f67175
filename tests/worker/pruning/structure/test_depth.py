"""Models that lose whole blocks, and models whose config cannot describe this."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, Qwen2MoeConfig

from tests.models import FAMILIES, MIXTURES, RECURRENT, write_model
from tests.worker.pruning.structure.removals import (
    CONFIGS,
    check_cut,
    logits,
    removed,
    removing,
)
from worker.pruning.base.errors import RatioError, UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.depth import Depth
from worker.pruning.sweep.refinement.refining import Refining

THIRD = Depth(1 / 3)
SHORTENED = (
    "llama-tied",
    "gemma3-hybrid",  # the config has a list with an entry for each block
    "gpt2",  # absolute positions
    "bloom",  # blocks return tuples
    "llama4-bmm",  # blocks of two kinds
    "deepseek-v3-latent",  # the config counts the blocks of a kind
    "bamba-pairs",  # the config lists the blocks of a kind
    "rwkv-triples",  # recurrent
)
"""Families of which a block can be removed, one of each kind."""


def open_model(folder: Path) -> MetaModel:
    return MetaModel.open(folder, torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("family", SHORTENED)
def test_the_shorter_model_has_the_logits_of_the_model_whose_block_is_zero(
    tmp_path: Path, family: str
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    found = removed(dense, tmp_path, removing(THIRD))
    assert sum(block.is_dropped for block in found.blocks) == 1
    check_cut(dense, found)


def test_the_blocks_with_the_smallest_distances_are_removed_and_of_equal_ones_the_later(
    tmp_path: Path,
) -> None:
    model = open_model(write_model(tmp_path / "dense", FAMILIES["llama"]))
    assert Depth(2 / 3).chosen(model, [0.1, 0.3, 0.1]) == [0, 2]
    assert THIRD.chosen(model, [0.1, 0.3, 0.1]) == [2]


def test_the_only_block_of_a_kind_stays(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "dense", RECURRENT["bamba-pairs"]))
    assert THIRD.chosen(model, [0.2, 0.1, 0.3]) == [0]  # the second alone has attention
    with pytest.raises(RatioError, match=r"removes 2 of 3 blocks, and from 1 to 1 can be;"):
        Depth(2 / 3).reduction(model)


def test_lists_with_an_entry_for_each_block_or_the_number_of_some_are_cut_to_match(
    tmp_path: Path,
) -> None:
    hybrid = write_model(tmp_path / "hybrid", FAMILIES["gemma3-hybrid"])
    fields = THIRD.fields(open_model(hybrid), [1])
    assert fields == {
        "num_hidden_layers": 2,
        "layer_types": ["sliding_attention", "sliding_attention"],
    }
    config = MIXTURES["qwen2-moe-shared"]
    assert isinstance(config, Qwen2MoeConfig)
    some = Qwen2MoeConfig(**config.to_dict() | {"mlp_only_layers": [0, 2]})
    mixed = write_model(tmp_path / "mixed", some)
    assert THIRD.fields(open_model(mixed), [0])["mlp_only_layers"] == [1]
    latent = write_model(tmp_path / "latent", MIXTURES["deepseek-v3-latent"])
    assert THIRD.fields(open_model(latent), [0])["first_k_dense_replace"] == 0
    assert THIRD.fields(open_model(latent), [1])["first_k_dense_replace"] == 1


def test_the_written_config_has_the_cut_lists(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", RECURRENT["bamba-pairs"])
    found = removed(dense, tmp_path, removing(THIRD))
    written = json.loads((found.smaller / "config.json").read_text())
    (dropped,) = (block.index for block in found.blocks if block.is_dropped)
    assert written["num_hidden_layers"] == 2
    assert written["attn_layer_indices"] == {0: [0], 2: [1]}[dropped]


def test_a_model_whose_blocks_follow_from_their_numbers_is_refused(tmp_path: Path) -> None:
    jamba = open_model(write_model(tmp_path / "jamba", RECURRENT["jamba"]))
    with pytest.raises(UnsupportedModelError, match=r"of type 'jamba'"):
        THIRD.fields(jamba, [0])
    scaled = replace_gpt2(scale_attn_by_inverse_layer_idx=True)
    model = open_model(write_model(tmp_path / "scaled", scaled))
    with pytest.raises(UnsupportedModelError, match=r"block 0 .*another attn\.scaling, because"):
        THIRD.fields(model, [0])


def replace_gpt2(**fields: object) -> GPT2Config:
    return GPT2Config(**FAMILIES["gpt2-conv1d"].to_dict() | fields)


@pytest.mark.parametrize(("ratio", "nearest"), [(0.1, 1 / 3), (0.9, 2 / 3)])
def test_a_ratio_that_removes_no_block_or_all_is_refused_with_one_that_fits(
    tmp_path: Path, ratio: float, nearest: float
) -> None:
    model = open_model(write_model(tmp_path / "dense", FAMILIES["llama"]))
    with pytest.raises(
        RatioError, match=f"ratio of {ratio} removes .*; set ratio to {nearest:.4g},"
    ):
        Depth(ratio).reduction(model)
    Depth(float(f"{nearest:.4g}")).reduction(model)


def test_a_shorter_model_is_refined_where_blocks_stay(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    refinement = Refinement(steps=4, learning_rate=2e-3, tokens=32 * 16)
    recipe = replace(removing(THIRD), stages=(Refining(refinement),), correction=0.3)
    found = removed(dense, tmp_path, recipe)
    assert [block.refinement is None for block in found.blocks] == [
        block.is_dropped for block in found.blocks
    ]
    torch.testing.assert_close(logits(found.smaller), logits(found.whole), rtol=0, atol=1e-3)
    AutoModelForCausalLM.from_pretrained(found.smaller)


def test_the_only_block_of_a_model_is_not_called_one_of_several_kinds(tmp_path: Path) -> None:
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=16, vocab_size=96)
    model = open_model(write_model(tmp_path / "dense", config))
    with pytest.raises(UnsupportedModelError, match=r"^the model has one block, which cannot be"):
        THIRD.chosen(model, [0.1])
