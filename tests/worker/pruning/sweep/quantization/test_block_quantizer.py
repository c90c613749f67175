"""Quantising one layer: the result, and what happens where its inputs say too little."""

import pytest
import torch
from torch import nn

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.masking import count_zeros
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.quantization.rounding import round_weights
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.sweep.quantization.block_quantizer import BlockQuantizer

WIDTH = 16
SCHEME = Scheme(4, 8)


def quantized(moments: GramMoments, dtype: torch.dtype = torch.float32) -> BlockQuantizer:
    """Quantise a layer of which half of the weights are zero; its forward is in fp32."""
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(WIDTH, 8, bias=False)).requires_grad_(False)
    [layer] = linear_layers(block)
    layer.weight.mul_(layer.weight.abs() > layer.weight.abs().median())
    before = layer.weight.to(dtype)
    stored = {"0.weight": before.clone()}
    quantizer = BlockQuantizer("layers.3", stored, SCHEME)

    quantizer.quantize_layer(layer, moments)

    weight = stored["0.weight"]
    assert (weight.dtype, layer.weight.dtype) == (dtype, torch.float32)
    assert torch.equal(layer.weight, weight.float())
    assert torch.equal(quantizer.matrices["0.weight"].weights(), weight)
    assert (weight[before == 0] == 0).all()
    assert quantizer.results[0].zeros == count_zeros(weight) >= 64
    assert quantizer.results[0].weights == weight.numel()
    return quantizer


def reached(tokens: int = 50) -> GramMoments:
    moments = GramMoments()
    moments.add(torch.randn(tokens, WIDTH, generator=torch.Generator().manual_seed(1)))
    return moments


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_stored_weight_and_that_of_the_forward_have_the_rounded_values(
    dtype: torch.dtype,
) -> None:
    [result] = quantized(reached(), dtype).results
    assert result.fallback is None
    assert result.error is not None
    assert 0 < result.error < 0.2
    assert result.bytes == SCHEME.packed_bytes(8, WIDTH, dtype.itemsize)


def test_a_layer_that_no_tokens_reached_is_rounded_to_the_nearest_values() -> None:
    quantizer = quantized(GramMoments())
    [result] = quantizer.results
    assert result.fallback == (
        "rounded to the nearest values: no calibration tokens reached this layer"
    )
    assert result.error is None
    torch.manual_seed(0)
    weight = nn.Linear(WIDTH, 8, bias=False).weight.detach()
    weight = weight * (weight.abs() > weight.abs().median())
    nearest = round_weights(weight, Gram(torch.eye(WIDTH)), SCHEME)
    assert torch.equal(quantizer.matrices["0.weight"].integers, nearest.integers)


def test_a_layer_whose_gram_matrix_cannot_be_factorized_is_rounded_to_the_nearest_values() -> None:
    moments = reached()
    matrix = moments.gram().matrix.clone()
    matrix[0, 0] = -40.0
    moments._gram = Gram(matrix)
    [result] = quantized(moments).results
    assert result.fallback is not None
    assert "not positive definite" in result.fallback
    assert result.fallback.startswith("rounded to the nearest values: ")


def test_inputs_that_are_not_finite_are_refused() -> None:
    moments = GramMoments()
    moments.add(torch.full((3, WIDTH), torch.inf))
    with pytest.raises(NotFiniteError):
        quantized(moments)
