"""Coordinate descent on rounded weights."""

import pytest
import torch
from torch import Tensor

from tests.worker.pruning.layers import random_layer
from worker.pruning.model.packed_weights import QuantizedMatrix, dequantized
from worker.pruning.quantization.descent import ROUNDS, Descent
from worker.pruning.quantization.rounding import DAMPING, compensated, round_weights
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.stats.gram import Gram

DEAD, EMPTY = 5, 2  # an input that is always zero, and a row and a group without weights


def sparse_layer(out: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Gram]:
    """Return a weight of which half is zero, and the Gram matrix of correlated inputs."""
    weight, gram = random_layer(out, width)
    weight = weight * (weight.abs() > weight.abs().median())
    weight[EMPTY], weight[0, :8] = 0.0, 0.0
    matrix = gram.matrix.clone()
    matrix[DEAD], matrix[:, DEAD] = 0.0, 0.0
    return weight.to(dtype), Gram(matrix)


def error(weight: Tensor, integers: Tensor, scales: Tensor, damped: Tensor) -> float:
    """Return tr((Q − W)H(Q − W)ᵀ) in fp64; integers and scales are transposed."""
    change = dequantized(integers.T, scales.T).double() - weight.double()
    return float((change @ damped.double() * change).sum())


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("out", "width", "size"), [(6, 16, 8), (20, 48, 16), (9, 160, 32), (12, 192, 96), (5, 72, 72)]
)
def test_the_error_falls_in_each_round_and_zeros_stay_zeros(
    out: int, width: int, size: int, dtype: torch.dtype, bits: int
) -> None:
    weight, gram = sparse_layer(out, width, dtype)
    integers, scales = compensated(weight, gram, Scheme(bits, size))
    damped = gram.damped(DAMPING)
    descent = Descent(weight, damped, integers, scales, bits)
    errors = [error(weight, integers, scales, damped)]
    for _ in range(5):
        descent.run_round()
        errors.append(error(weight, integers, scales, damped))
        assert errors[-1] <= errors[-2] * (1 + 1e-5)
        assert (integers.T[weight == 0] == 0).all()
        assert (scales[:, EMPTY] == 1).all()
        assert scales.isfinite().all()
        assert (scales > 0).all()
    assert errors[-1] < errors[0]
    if size == 8:
        assert scales[0, 0] == 1
    most = 2 ** (bits - 1)
    assert -most <= int(integers.min()) < int(integers.max()) < most


def by_loops(weight: Tensor, damped: Tensor, matrix: QuantizedMatrix, rounds: int) -> None:
    """Change the integers and scales of a matrix one by one, if the whole error falls."""
    integers, scales, most = matrix.integers, matrix.scales, 2 ** (matrix.bits - 1)
    size = integers.shape[1] // scales.shape[1]

    def row_error(row: int) -> float:
        change = (matrix.weights()[row] - weight[row]).double()
        return float(change @ damped @ change)

    def replace(values: Tensor, place: tuple[int, int], new: float) -> None:
        before, old = row_error(place[0]), values[place].item()
        values[place] = new
        if not row_error(place[0]) < before:
            values[place] = old

    for row in [row for _ in range(rounds) for row in range(len(weight))]:
        for column in range(weight.shape[1]):
            if weight[row, column] != 0:
                rounded, scale = matrix.weights()[row].double(), float(scales[row, column // size])
                slope = (rounded - weight[row].double()) @ damped[:, column]
                wanted = float(rounded[column] - slope / damped[column, column]) / scale
                replace(integers, (row, column), min(most - 1, max(-most, round(wanted))))
        for group in range(scales.shape[1]):
            within = slice(group * size, (group + 1) * size)
            own = integers[row, within].double()
            slope = (matrix.weights()[row] - weight[row]).double() @ damped[:, within] @ own
            if own.any():
                step = slope / (own @ damped[within, within] @ own)
                replace(scales, (row, group), float(scales[row, group] - step))


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_small_layer_descends_from_random_integers_as_loops_do(
    dtype: torch.dtype, bits: int
) -> None:
    weight, gram = sparse_layer(8, 16, dtype)
    integers, scales = compensated(weight, gram, Scheme(bits, 8))
    integers.random_(-8, 8, generator=torch.Generator().manual_seed(0)).mul_(weight.T != 0)
    damped, before = gram.damped(DAMPING), integers.clone()
    want = QuantizedMatrix(integers.T.clone(), scales.T.clone(), bits)
    by_loops(weight, damped.double(), want, ROUNDS)

    Descent(weight, damped, integers, scales, bits).run()

    assert torch.equal(integers.T, want.integers)
    torch.testing.assert_close(scales.T, want.scales, rtol=1e-4, atol=0)
    assert int((integers != before).sum()) > 30


@pytest.mark.parametrize("bits", [4, 8])
def test_the_error_is_clearly_below_that_of_gptq_if_inputs_are_correlated(bits: int) -> None:
    weight, gram = sparse_layer(64, 128, torch.bfloat16)
    scheme, damped = Scheme(bits, 32), gram.damped(DAMPING)
    before = error(weight, *compensated(weight, gram, scheme), damped)
    after = round_weights(weight, gram, scheme)
    assert error(weight, after.integers.T, after.scales.T, damped) < 0.9 * before


@pytest.mark.parametrize("bits", [4, 8])
def test_minmax_is_gptq_alone(bits: int) -> None:
    weight, gram = sparse_layer(16, 64, torch.bfloat16)
    scheme = Scheme(bits, 16, "minmax")
    integers, scales = compensated(weight, gram, scheme)
    got = round_weights(weight, gram, scheme)
    assert torch.equal(got.integers, integers.T)
    assert torch.equal(got.scales, scales.T)


def test_each_run_gives_the_same_bytes() -> None:
    weight, gram = sparse_layer(24, 96, torch.bfloat16)
    once, again = (round_weights(weight, gram, Scheme(4, 32)) for _ in range(2))
    assert torch.equal(once.integers, again.integers)
    assert torch.equal(once.scales, again.scales)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_weights_without_correlated_inputs_of_any_size_descend(size: float) -> None:
    weight = sparse_layer(8, 32, torch.float32)[0] * size
    scheme, uncorrelated = Scheme(4, 16), Gram(torch.eye(32))
    before = error(weight, *compensated(weight, uncorrelated, scheme), torch.eye(32))
    after = round_weights(weight, uncorrelated, scheme)
    assert 0.5 * before < error(weight, after.integers.T, after.scales.T, torch.eye(32)) < before
