"""Rounding the kept weights of a layer, with held zeros."""

import pytest
import torch
from torch import Tensor

from tests.worker.pruning.layers import output_error, random_layer
from worker.pruning.base.errors import ShapeError
from worker.pruning.quantization.rounding import round_weights
from worker.pruning.quantization.scales import choose_scales, round_to
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.stats.gram import Gram


def sparse_layer(out: int, width: int, tokens: int = 400) -> tuple[Tensor, Gram]:
    """Return a weight of which half is zero, and the Gram matrix of correlated inputs."""
    weight, gram = random_layer(out, width, tokens)
    return weight * (weight.abs() > weight.abs().median()), gram


def round_by_loops(weight: Tensor, gram: Gram, scheme: Scheme) -> Tensor:
    """Round one weight after the other by the optimal brain surgeon's formula, in fp64."""
    work, matrix = weight.double().clone(), gram.matrix.double()
    matrix = matrix + 0.01 * matrix.diagonal().mean() * torch.eye(len(matrix))
    result, size, most = torch.zeros_like(work), scheme.group_size, 2 ** (scheme.bits - 1)
    scales = [1.0] * len(weight)
    for column in range(weight.shape[1]):
        inverse = torch.linalg.inv(matrix[column:, column:])
        for row in range(len(weight)):
            if column % size == 0:
                group = slice(column, column + size)
                kept = work[row, group][weight[row, group] != 0].tolist()
                scales[row] = max(map(abs, kept), default=0.0) / (most - 1) or 1.0
            value = float(work[row, column])
            if weight[row, column] != 0:
                integer = min(most - 1, max(-most, round(value / scales[row])))
                result[row, column] = integer * scales[row]
            error = value - float(result[row, column])
            work[row, column:] -= error / inverse[0, 0] * inverse[0]
    return result.float()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("width", "size"), [(8, 8), (48, 8), (48, 16), (160, 32)])
def test_weights_are_rounded_as_the_formula_with_loops_does(
    width: int, size: int, bits: int
) -> None:
    weight, gram = sparse_layer(4, width)
    scheme = Scheme(bits, size, "minmax")

    got = round_weights(weight, gram, scheme).weights()

    torch.testing.assert_close(got, round_by_loops(weight, gram, scheme), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scales", ["mse", "minmax"])
def test_inputs_that_are_not_correlated_round_each_weight_to_the_nearest_value(
    scales: str,
) -> None:
    weight, _ = sparse_layer(6, 48)
    sq_mean = torch.linspace(0.1, 2, 48)
    scheme = Scheme(4, 16, scales)  # type: ignore[arg-type] # a literal each

    got = round_weights(weight, Gram(sq_mean.diag()), scheme).weights()

    for start in range(0, 48, 16):
        group = weight[:, start : start + 16].T
        scale = choose_scales(group, sq_mean[start : start + 16], scheme, torch.float32)
        assert torch.equal(got[:, start : start + 16].T, round_to(group, scale, 4) * scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_zeros_stay_zeros_and_weights_keep_their_dtype(dtype: torch.dtype) -> None:
    weight, gram = sparse_layer(20, 64)
    weight = weight.to(dtype)

    matrix = round_weights(weight, gram, Scheme(4, 16))
    got = matrix.weights()

    assert (matrix.scales.dtype, got.dtype) == (dtype, dtype)
    assert (got[weight == 0] == 0).all()
    assert not torch.signbit(got[got == 0]).any()
    assert matrix.integers.min() >= -8
    assert matrix.integers.max() <= 7
    assert output_error(weight.float(), got.float(), gram) < 0.02


@pytest.mark.parametrize("scales", ["mse", "minmax"])
@pytest.mark.parametrize("bits", [4, 8])
def test_the_outputs_change_less_than_with_the_nearest_values(bits: int, scales: str) -> None:
    weight, gram = sparse_layer(32, 128)
    scheme = Scheme(bits, 32, scales)  # type: ignore[arg-type] # a literal each

    compensated = round_weights(weight, gram, scheme).weights()
    nearest = round_weights(weight, Gram(torch.eye(128)), scheme).weights()

    assert output_error(weight, compensated, gram) < 0.95 * output_error(weight, nearest, gram)


def test_eight_bits_change_the_outputs_less_than_four() -> None:
    weight, gram = sparse_layer(32, 128)
    errors = {
        bits: output_error(weight, round_weights(weight, gram, Scheme(bits, 32)).weights(), gram)
        for bits in (4, 8)
    }
    assert 0 < errors[8] < errors[4] / 50


def test_inputs_that_are_always_zero_change_nothing_else() -> None:
    weight, gram = sparse_layer(8, 32)
    matrix = gram.matrix.clone()
    matrix[5], matrix[:, 5] = 0.0, 0.0

    got = round_weights(weight, Gram(matrix), Scheme(4, 16)).weights()

    assert got.isfinite().all()
    assert (got[weight == 0] == 0).all()


def test_a_weight_without_zeros_is_rounded_as_well() -> None:
    weight, gram = random_layer(8, 32)
    got = round_weights(weight, gram, Scheme(4, 16)).weights()
    assert 0 < output_error(weight, got, gram) < 0.02


def test_a_gram_matrix_of_another_width_is_refused() -> None:
    weight, _ = sparse_layer(4, 32)
    with pytest.raises(ShapeError, match="does not fit a Gram matrix of 16"):
        round_weights(weight, sparse_layer(4, 16)[1], Scheme(4, 16))
