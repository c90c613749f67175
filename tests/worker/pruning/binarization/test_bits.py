"""The bits of a binarised matrix, counted by hand."""

from math import log2

import pytest
import torch

from worker.pruning.binarization.bits import count_bits
from worker.pruning.binarization.settings import Binarization


def test_the_bits_of_a_small_matrix_are_those_of_a_count_by_hand() -> None:
    keep = torch.zeros(2, 24, dtype=torch.bool)
    keep[:, [0, 1, 8, 9, 16, 17]] = True  # two of each eight
    salient = torch.zeros(24, dtype=torch.bool)
    salient[[0, 3, 7, 8, 16, 20]] = True

    bits = count_bits(keep, salient, 2, Binarization(2, 2, 2, 16, 0.25), 16)

    assert bits.mask_bits == pytest.approx(6 * log2(28))  # 28 ways to keep 2 of 8
    assert bits.sign_bits == 12
    assert bits.second_sign_bits == 6  # columns 0, 8 and 16 in both rows
    assert bits.scale_bits == 2 * 2 * 5 * 16  # rows, groups, values
    assert bits.index_bits == pytest.approx(log2(1820) + log2(28))  # 4 of 16, and 2 of 8
    parts = (bits.mask_bits, 12, 6, 320, bits.index_bits)
    assert bits.total == pytest.approx(sum(parts))


def test_without_salient_columns_each_row_and_group_has_two_values() -> None:
    keep = torch.ones(3, 16, dtype=torch.bool)
    none = torch.zeros(16, dtype=torch.bool)
    bits = count_bits(keep, none, 8, Binarization(8, 8, 8, 16, 0.0), 32)
    assert (bits.mask_bits, bits.sign_bits, bits.second_sign_bits) == (0, 48, 0)
    assert (bits.scale_bits, bits.index_bits) == (3 * 2 * 32, 0)
