"""Binarising a matrix, compared with loops over single weights."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.worker.pruning.layers import output_error, random_layer
from worker.pruning.base.errors import ShapeError
from worker.pruning.binarization.binarize import binarize
from worker.pruning.binarization.settings import Binarization
from worker.pruning.methods.patterns import NofM
from worker.pruning.stats.gram import Gram

SETTINGS = Binarization(kept=4, low=4, high=4, group_size=16, salient=0.25)


def two_values(weights: list[float], middle: float) -> tuple[float, float]:
    """Return μ and α for some weights of a row: half the sum and difference of two means."""
    distance = 0.0
    for _ in range(8):
        above = [one for one in weights if one >= middle]
        below = [one for one in weights if one < middle]
        if above and below:
            high, low = sum(above) / len(above), sum(below) / len(below)
            middle, distance = (high + low) / 2, (high - low) / 2
        else:
            middle, distance = sum(weights) / max(1, len(weights)), 0.0
    return middle, distance


def binarize_by_loops(weight: Tensor, gram: Gram, kept: int, settings: Binarization) -> Tensor:
    """Binarise one weight after the other by the optimal brain surgeon's formula, in fp64."""
    work, matrix = weight.double().clone(), gram.matrix.double()
    matrix = matrix + 0.01 * matrix.diagonal().mean() * torch.eye(len(matrix))
    inverses = [torch.linalg.inv(matrix[column:, column:]) for column in range(len(matrix))]
    rows, columns = weight.shape
    result = torch.zeros_like(work)
    for start in range(0, columns, settings.group_size):
        group = list(range(start, min(start + settings.group_size, columns)))
        costs = {
            (row, column): float(work[row, column] ** 2 / inverses[column][0, 0])
            for row in range(rows)
            for column in group
        }
        sums = {column: sum(costs[row, column] for row in range(rows)) for column in group}
        count = round(settings.salient * len(group))
        salient = sorted(group, key=lambda column: -sums[column])[:count]
        fits: list[dict[bool, tuple[float, float, float]]] = []
        alive = [set(group) for _ in range(rows)]
        for row in range(rows):
            kinds = {
                twice: [column for column in group if (column in salient) == twice]
                for twice in (False, True)
            }
            middles = {
                twice: sum(float(work[row, one]) for one in found) / max(1, len(found))
                for twice, found in kinds.items()
            }
            found = {}
            for _ in range(8 - kept):
                for first in range(group[0], group[-1] + 1, 8):
                    eight = [one for one in range(first, first + 8) if one in alive[row]]
                    alive[row].remove(min(eight, key=lambda column: costs[row, column]))
                for twice, members in kinds.items():
                    left = [float(work[row, one]) for one in members if one in alive[row]]
                    middle, distance = two_values(left, middles[twice])
                    middles[twice] = middle
                    rests = [abs(abs(one - middle) - distance) for one in left]
                    second = sum(rests) / max(1, len(rests)) if twice else 0.0
                    found[twice] = (middle, distance, second)
            fits.append(found)
        for column in group:
            for row in range(rows):
                value = float(work[row, column])
                middle, distance, second = fits[row][column in salient]
                binary = middle + (distance if value >= middle else -distance)
                binary += second if value >= binary else -second
                if column in alive[row]:
                    result[row, column] = binary
                error = value - float(result[row, column])
                inverse = inverses[column]
                work[row, column:] -= error / inverse[0, 0] * inverse[0]
    return result.float()


@pytest.mark.parametrize("kept", [1, 4, 7])
@pytest.mark.parametrize("salient", [0.0, 0.25])
@pytest.mark.parametrize(("width", "size"), [(16, 16), (24, 16), (48, 8)])
def test_weights_are_binarised_as_the_formulas_with_loops_do(
    width: int, size: int, salient: float, kept: int
) -> None:
    weight, gram = random_layer(8, width)
    settings = replace(SETTINGS, group_size=size, salient=salient)

    got = binarize(weight, gram, NofM(kept, 8), settings).values

    expected = binarize_by_loops(weight, gram, kept, settings)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kept", [3, 8])
def test_each_group_keeps_n_weights_with_two_values_in_a_row_or_four_if_salient(
    kept: int, dtype: torch.dtype
) -> None:
    weight, gram = random_layer(20, 64)

    matrix = binarize(weight.to(dtype), gram, NofM(kept, 8), SETTINGS)

    assert matrix.values.dtype == dtype
    assert (matrix.keep.view(20, -1, 8).sum(-1) == kept).all()
    assert torch.equal(matrix.values != 0, matrix.keep)
    assert not torch.signbit(matrix.values[matrix.values == 0]).any()
    for start in range(0, 64, 16):
        group = slice(start, start + 16)
        salient = matrix.salient[group]
        assert int(salient.sum()) == 4
        for values, keep in zip(matrix.values[:, group], matrix.keep[:, group], strict=True):
            assert len(values[keep & ~salient].unique()) <= 2
            assert len(values[keep & salient].unique()) <= 4


def test_the_outputs_change_less_than_without_the_inputs() -> None:
    weight, gram = random_layer(32, 128)
    made_up = binarize(weight, gram, NofM(5, 8), SETTINGS).values
    alone = binarize(weight, Gram(torch.eye(128)), NofM(5, 8), SETTINGS).values
    assert output_error(weight, made_up, gram) < 0.9 * output_error(weight, alone, gram)


def test_weights_of_inputs_that_are_always_zero_are_pruned_first() -> None:
    weight, gram = random_layer(8, 32)
    matrix = gram.matrix.clone()
    matrix[5], matrix[:, 5] = 0.0, 0.0

    binarized = binarize(weight, Gram(matrix), NofM(4, 8), SETTINGS)

    assert binarized.values.isfinite().all()
    assert (binarized.values[:, 5] == 0).all()


def test_the_weight_itself_does_not_change() -> None:
    weight, gram = random_layer(4, 16)
    before = weight.clone()
    binarize(weight, gram, NofM(4, 8), SETTINGS)
    assert torch.equal(weight, before)


def test_rows_that_do_not_split_into_groups_of_eight_are_refused() -> None:
    weight, gram = random_layer(4, 12)
    with pytest.raises(ShapeError, match="groups of 8"):
        binarize(weight, gram, NofM(4, 8), SETTINGS)


def test_a_gram_matrix_of_another_width_is_refused() -> None:
    weight, _ = random_layer(4, 32)
    with pytest.raises(ShapeError, match="does not fit a Gram matrix of 16"):
        binarize(weight, random_layer(4, 16)[1], NofM(4, 8), SETTINGS)
