"""Models that lose attention heads, in every family whose config can say so."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, OlmoeConfig

from tests.models import FAMILIES, MIXTURES, VOCABULARY, random_ids, write_model
from tests.worker.pruning.structure.removals import (
    CONFIGS,
    check_cut,
    logits,
    removed,
    removing,
)
from worker.pruning.base.errors import RatioError, UnsupportedModelError
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.attention_heads import attention_heads
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt

NARROWED = (
    "llama",
    "qwen3",  # norms of queries and keys
    "gemma3-hybrid",  # kinds of attention in turns
    "gpt-oss-interleaved",  # a value for each head, and biases
    "phi3",  # queries, keys and values in one matrix
    "bamba-pairs",  # attention in some blocks only
)
"""Families whose attention can lose heads, one of each kind."""
WITHOUT = ("opt-projected", "gpt2", "bloom", "mpt", "mamba", "rwkv-triples", "deepseek-v3-latent")
RATIO = 0.15
RATIO_OF = {"gpt-oss-interleaved": 0.06, "bamba-pairs": 0.06}
"""Ratios that remove one of two heads from models with many other parameters."""


def open_model(folder: Path, family: str) -> MetaModel:
    write_model(folder / "dense", CONFIGS[family])
    return MetaModel.open(folder / "dense", torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("family", NARROWED)
def test_the_smaller_model_has_the_logits_of_the_model_with_zeroed_heads(
    tmp_path: Path, family: str
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    found = removed(dense, tmp_path, removing(Heads(RATIO_OF.get(family, RATIO), repairs=False)))
    check_cut(dense, found)


def test_a_unit_is_a_key_head_with_the_queries_that_share_it() -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(FAMILIES["llama"])
    (units,) = attention_heads(find_blocks(model)[1][0], model.config)
    places = {one.parameter.split(".")[1]: one.places[1].tolist() for one in units.slices}
    assert places == {
        "o_proj": list(range(16, 32)),
        "q_proj": list(range(16, 32)),
        "k_proj": list(range(8, 16)),
        "v_proj": list(range(8, 16)),
    }


def test_a_value_for_each_head_is_removed_with_the_head() -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(MIXTURES["gpt-oss-interleaved"])
    (units,) = attention_heads(find_blocks(model)[1][0], model.config)
    (sinks,) = (one for one in units.slices if one.parameter == "self_attn.sinks")
    assert sinks.places.tolist() == [[0, 1], [2, 3]]


def test_the_smaller_model_generates_text(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    found = removed(dense, tmp_path, removing(Heads(RATIO)))
    model = AutoModelForCausalLM.from_pretrained(found.smaller)
    assert model.generate(random_ids(1, 4), max_new_tokens=4, do_sample=False).shape == (1, 8)
    written = json.loads((found.smaller / "config.json").read_text())
    names = ("num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size")
    assert [written[name] for name in names] == [2, 1, 8, 32]


def test_removing_a_head_whose_values_are_zero_changes_no_logit(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "all", FAMILIES["llama"]))
    for layer in model.model.layers:
        layer.self_attn.v_proj.weight.data[8:] = 0
    model.save_pretrained(tmp_path / "dense")
    found = removed(tmp_path / "dense", tmp_path, removing(Heads(RATIO, repairs=False)))
    assert [block.removed[0].ranges for block in found.blocks] == [((1, 2),)] * 3
    before = logits(tmp_path / "dense")
    torch.testing.assert_close(
        logits(found.smaller), before, rtol=0, atol=1e-5 * float(before.abs().max())
    )


@pytest.mark.parametrize("family", WITHOUT)
def test_a_model_whose_heads_cannot_be_removed_is_refused(tmp_path: Path, family: str) -> None:
    with pytest.raises(UnsupportedModelError, match=r"; (set method to|choose a method)"):
        Heads(RATIO).reduction(open_model(tmp_path, family))


@pytest.mark.parametrize("ratio", [0.001, 0.5])
def test_a_ratio_that_no_number_of_heads_meets_is_refused_with_one_that_is_met(
    tmp_path: Path, ratio: float
) -> None:
    model = open_model(tmp_path, "llama")
    with pytest.raises(RatioError, match=f"ratio of {ratio:g} removes") as caught:
        Heads(ratio).reduction(model)
    nearest = float(str(caught.value).rpartition("to ")[2].partition(",")[0])
    assert Heads(nearest).reduction(model).kept == ({"self_attn.o_proj": 1},) * 3


@pytest.mark.parametrize(("heads", "groups", "left"), [(8, 4, 2), (6, 6, 4), (4, 2, 1)])
def test_the_number_of_heads_that_is_left_divides_the_hidden_state_where_it_has_to(
    tmp_path: Path, heads: int, groups: int, left: int
) -> None:
    sizes = {"hidden_size": 24 if heads == 6 else 32, "intermediate_size": 48}
    counts = {"num_attention_heads": heads, "num_key_value_heads": groups, "head_dim": 4}
    config = LlamaConfig(**sizes, **counts, num_hidden_layers=2, vocab_size=VOCABULARY)
    folder = write_model(tmp_path / "dense", config)
    found = removed(folder, tmp_path, removing(Heads(0.15, repairs=False)))
    loaded = AutoModelForCausalLM.from_pretrained(found.smaller)
    assert loaded.config.num_key_value_heads == left
    torch.testing.assert_close(logits(found.smaller), logits(found.whole))


def test_heads_of_which_none_can_be_removed_stay_and_channels_are_removed_alone(
    tmp_path: Path,
) -> None:
    sizes = {"hidden_size": 40, "intermediate_size": 48, "num_hidden_layers": 2}
    config = LlamaConfig(**sizes, num_attention_heads=5, vocab_size=VOCABULARY, head_dim=8)
    folder = write_model(tmp_path / "dense", config)
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    with pytest.raises(UnsupportedModelError, match="num_attention_heads 4"):
        Heads(RATIO).reduction(meta_model)
    reduction = MeasuredUnits(RATIO, Adapt()).reduction(meta_model)
    assert reduction.fields.keys() == {"intermediate_size"}


def test_heads_under_one_norm_are_refused_and_channels_are_removed_alone(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "vocab_size": VOCABULARY}
    config = OlmoeConfig(**sizes, **experts, num_attention_heads=4, num_key_value_heads=2)
    folder = write_model(tmp_path / "dense", config)
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    with pytest.raises(UnsupportedModelError, match="has no attention heads that could be"):
        Heads(0.06).reduction(meta_model)
    reduction = MeasuredUnits(RATIO, Adapt()).reduction(meta_model)
    assert reduction.fields.keys() == {"intermediate_size"}
