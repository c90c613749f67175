"""Binarising one layer: the result, and what happens where its inputs say too little."""

import pytest
import torch
from torch import nn
from transformers import LlamaConfig

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.binarization.binarize import binarize
from worker.pruning.binarization.binarizing import BinarizedMask
from worker.pruning.binarization.settings import Binarization
from worker.pruning.methods.patterns import NofM
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.sweep.block_pruner import BlockPruner

WIDTH = 16
SETTINGS = Binarization(3, 3, 3, 8, 0.25)


def dense_weight() -> torch.Tensor:
    torch.manual_seed(0)
    return nn.Linear(WIDTH, 8, bias=False).weight.detach()


def binarized(
    moments: GramMoments, dtype: torch.dtype = torch.float32
) -> tuple[BlockPruner[GramMoments], torch.Tensor]:
    """Binarise a layer whose forward is in fp32; return its stored weight as well."""
    block = nn.Sequential(nn.Linear(WIDTH, 8, bias=False)).requires_grad_(False)
    [layer] = linear_layers(block)
    layer.weight.copy_(dense_weight())
    stored = {"0.weight": dense_weight().to(dtype)}
    pruner = BlockPruner("layers.3", stored, BinarizedMask(SETTINGS, NofM(3, 8)), LlamaConfig())

    pruner.prune_layer(layer, moments)

    weight = stored["0.weight"]
    assert (weight.dtype, layer.weight.dtype) == (dtype, torch.float32)
    assert torch.equal(layer.weight, weight.float())
    assert pruner.sizes() == {"0.weight": 8 * WIDTH}
    assert pruner.removed == []
    return pruner, weight


def reached(tokens: int = 50) -> GramMoments:
    moments = GramMoments()
    moments.add(torch.randn(tokens, WIDTH, generator=torch.Generator().manual_seed(1)))
    return moments


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_result_counts_zeros_bits_and_the_error(dtype: torch.dtype) -> None:
    pruner, weight = binarized(reached(), dtype)
    [result] = pruner.results
    assert set((weight.view(8, -1, 8) != 0).sum(-1).flatten().tolist()) == {3}
    assert (result.zeros, result.weights, result.tokens) == (80, 128, 50)
    assert result.fallback is None
    assert result.damping == 0.01
    assert result.error is not None
    assert 0 < result.error < 1
    assert result.binarized is not None
    assert result.binarized.kept_of_eight == 3
    assert result.binarized.sign_bits == 48
    assert result.binarized.scale_bits == 8 * 2 * 5 * 8 * dtype.itemsize


def test_a_layer_that_no_tokens_reached_is_binarised_without_its_inputs() -> None:
    pruner, weight = binarized(GramMoments())
    [result] = pruner.results
    assert result.fallback == (
        "binarised without its inputs: 0 calibration tokens reached this layer, fewer than 1"
    )
    assert result.error is None
    alone = binarize(dense_weight(), Gram(torch.eye(WIDTH)), NofM(3, 8), SETTINGS)
    assert torch.equal(weight, alone.values)


def test_a_layer_whose_gram_matrix_cannot_be_factorized_is_binarised_without_its_inputs() -> None:
    moments = reached()
    matrix = moments.gram().matrix.clone()
    matrix[0, 0] = -40.0
    moments._gram = Gram(matrix)
    [result] = binarized(moments)[0].results
    assert result.fallback is not None
    assert "not positive definite" in result.fallback


def test_inputs_that_are_not_finite_are_refused() -> None:
    moments = GramMoments()
    moments.add(torch.full((3, WIDTH), torch.inf))
    with pytest.raises(NotFiniteError):
        binarized(moments)
