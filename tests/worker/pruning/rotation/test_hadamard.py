"""Random Walsh-Hadamard rotations, compared with the matrix that they stand for."""

from math import sqrt

import pytest
import torch
from torch import Tensor

from worker.pruning.rotation.hadamard import Rotation


def draw(size: int, seed: int = 0) -> Rotation:
    return Rotation.draw(size, torch.Generator().manual_seed(seed))


def matrix_by_loops(rotation: Rotation, width: int) -> Tensor:
    """Return R: H_ij is −1 to the number of ones that i and j have in common in binary."""
    size = rotation.size
    matrix = torch.zeros(size, size)
    for row in range(size):
        for column in range(size):
            if row // width == column // width:
                common = (row % width) & (column % width)
                matrix[row, column] = (-1) ** common.bit_count() / sqrt(width)
    return rotation.signs[:, None] * matrix


@pytest.mark.parametrize(("size", "width"), [(1, 1), (8, 8), (12, 4), (48, 16), (64, 64)])
def test_rows_and_columns_are_multiplied_by_the_matrix(size: int, width: int) -> None:
    rotation = draw(size)
    matrix = matrix_by_loops(rotation, width)
    values = torch.randn(5, size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(rotation.of_rows(values), values @ matrix)
    torch.testing.assert_close(rotation.of_columns(values.T), matrix.T @ values.T)


@pytest.mark.parametrize("size", [12, 48, 64])
def test_a_rotation_is_orthogonal(size: int) -> None:
    matrix = draw(size).of_rows(torch.eye(size))
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size))


def test_neighbouring_vectors_of_a_row_are_rotated_alone() -> None:
    rotation, values = draw(8), torch.randn(3, 24)
    heads = [rotation.of_rows(one) for one in torch.split(values, 8, dim=1)]
    torch.testing.assert_close(rotation.of_rows(values), torch.cat(heads, dim=1))


def test_a_seed_decides_the_signs() -> None:
    assert torch.equal(draw(64).signs, draw(64).signs)
    assert not torch.equal(draw(64).signs, draw(64, seed=1).signs)
    assert draw(64).signs.abs().eq(1).all()
