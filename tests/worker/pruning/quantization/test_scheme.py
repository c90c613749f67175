"""Which group size fits a model, and which layers can be quantised."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, PretrainedConfig

from tests.models import FAMILIES, FUSED, MIXTURES, write_model
from worker.pruning.base.errors import QuantizationError
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.quantization.scheme import Quantization, Scheme
from worker.pruning.sweep.quantization.quantizing import Quantizing, scheme_of
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Recipe

RECIPE = Recipe(get_scorer("wanda"), Unstructured(0.5), stages=(Quantizing(Quantization(4)),))


def widths(*numbers: int) -> list[tuple[str, int]]:
    return [(f"layer {number}", number) for number in numbers]


@pytest.mark.parametrize(
    ("rows", "four", "eight"),
    [
        ((4096, 11008), 32, 128),
        ((576, 1536), 32, 64),
        ((32, 48), 16, 16),
        ((8,), 8, 8),
        ((96, 40), 8, 8),
    ],
)
def test_the_default_group_size_is_the_largest_power_of_two_that_divides_all_rows(
    rows: tuple[int, ...], four: int, eight: int
) -> None:
    assert Quantization(4).scheme(widths(*rows)) == Scheme(4, four)
    assert Quantization(8).scheme(widths(*rows)) == Scheme(8, eight)


def test_a_named_group_size_is_used() -> None:
    assert Quantization(8, 24, "minmax").scheme(widths(48, 96)) == Scheme(8, 24, "minmax")


@pytest.mark.parametrize(
    ("size", "rows", "message"),
    [
        (32, (64, 48), "layer 48 has rows of 48 weights, which do not split into groups of 32; "),
        (32, (64, 48), "set the group_size of quantize to 16"),
        (40, (96, 192), "set the group_size of quantize to 32"),
        (128, (576, 1536), "set the group_size of quantize to 96"),
        (96, (64, 48), "set the group_size of quantize to 16$"),
        (None, (64, 20), "layer 20 has rows of 20 weights, which do not split into groups of 8; "),
        (None, (64, 20), r"; add '\*.layer 20' to the skip of quantize or leave quantize out"),
        (32, (56, 172), "; leave quantize out, as no group size fits all rows$"),
    ],
)
def test_rows_that_do_not_split_are_refused_with_the_nearest_size_that_fits(
    size: int | None, rows: tuple[int, ...], message: str
) -> None:
    with pytest.raises(QuantizationError, match=message):
        Quantization(4, size).scheme(widths(*rows))


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_predicted_size_of_a_matrix_is_that_of_its_tensors(
    bits: int, dtype: torch.dtype
) -> None:
    matrix = QuantizedMatrix(torch.zeros(6, 48, dtype=torch.int8), torch.ones(6, 3).to(dtype), bits)
    size = sum(one.nbytes for one in matrix.stored("w").values())
    assert Scheme(bits, 16).packed_bytes(6, 48, dtype.itemsize) == size


def opened(folder: Path, config: PretrainedConfig) -> MetaModel:
    return MetaModel.open(write_model(folder, config), torch.float32, torch.device("cpu"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (FUSED["gpt2"], "attn.c_attn cannot be quantised, because its weight is stored transposed"),
        (MIXTURES["mixtral"], "one parameter holds the weights of many experts; skip it"),
        (LlamaConfig(**{**FAMILIES["llama"].to_dict(), "intermediate_size": 44}), "rows of 44"),
    ],
)
def test_layers_that_cannot_be_quantised_are_refused_before_any_work(
    tmp_path: Path, config: PretrainedConfig, message: str
) -> None:
    with pytest.raises(QuantizationError, match=message):
        check_recipe(RECIPE, opened(tmp_path / "model", config))


def test_layers_that_are_skipped_need_not_fit(tmp_path: Path) -> None:
    meta_model = opened(tmp_path / "model", MIXTURES["mixtral"])
    recipe = replace(RECIPE, skip=("*.experts.*",))
    check_recipe(recipe, meta_model)
    assert scheme_of(recipe, meta_model) == Scheme(4, 32)


@pytest.mark.parametrize("family", ["gpt-neox", "phi3", "bloom", "falcon-new"])
def test_fused_projections_of_linear_layers_fit(tmp_path: Path, family: str) -> None:
    check_recipe(RECIPE, opened(tmp_path / "model", FUSED[family]))
