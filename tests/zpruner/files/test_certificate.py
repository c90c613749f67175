"""Every group of a matrix is counted, along its inputs, as a loop would count it."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from worker.pruning.model.packed_weights import QuantizedMatrix
from zpruner.files.certificate import BrokenMatrix, Certificate, Matrix
from zpruner.files.errors import FilesError
from zpruner.files.patterns import STANDARD, GroupPattern
from zpruner.files.weights import tensors_of

PATTERNS = (*STANDARD, GroupPattern(1, 4), GroupPattern(3, 7), GroupPattern(5, 16))


def masked(weight: Tensor, n: int, m: int) -> Tensor:
    """Keep ``n`` random weights of each ``m`` neighbours in a row."""
    groups = weight.reshape(-1, m)
    dropped = torch.rand(groups.shape).argsort(dim=1)[:, n:]
    return groups.scatter(1, dropped, 0).view_as(weight)


def violations_by_loop(weight: Tensor, pattern: GroupPattern) -> int:
    """Count the groups of ``[out, in]`` that violate a pattern."""
    return sum(
        sum(value != 0 for value in row[start : start + pattern.m]) > pattern.n
        for row in weight.tolist()
        for start in range(0, len(row), pattern.m)
    )


def certified(
    folder: Path, tensors: dict[str, Tensor], *transposed: str, patterns: Any = PATTERNS
) -> Certificate:
    save_file(tensors, folder / "model.safetensors")
    certificate = Certificate(patterns)
    for name in tensors:
        certificate.add(Matrix(name, name in transposed), tensors_of(folder))
    return certificate


def broken(certificate: Certificate) -> dict[tuple[str, str], int]:
    """Return the number of broken groups by pattern and matrix."""
    return {
        (str(pattern), one.tensor): one.broken
        for pattern, found in certificate.broken.items()
        for one in found
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2, torch.int8])
def test_groups_are_counted_as_by_a_loop(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    dense = torch.randint(1, 5, (15, 7 * 16))
    sparse = [dense * (torch.rand(dense.shape) > share) for share in (0.3, 0.6, 0.9)]
    weights = {f"{n}": weight.to(dtype) for n, weight in enumerate([*sparse, masked(dense, 2, 4)])}

    certificate = certified(tmp_path, weights)

    expected = {
        (str(pattern), name): count
        for pattern, (name, weight) in product(PATTERNS, weights.items())
        if (count := violations_by_loop(weight, pattern))
    }
    assert broken(certificate) == expected
    assert certificate.matrices == 4


@pytest.mark.parametrize("inputs", [4, 12, 16, 24])
@pytest.mark.parametrize("piece_bytes", [1, 1 << 20])
def test_a_transposed_matrix_is_read_along_its_first_dimension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: int, piece_bytes: int
) -> None:
    monkeypatch.setattr("zpruner.files.certificate.PIECE_BYTES", piece_bytes)
    torch.manual_seed(0)
    weight = masked(torch.randn(5, inputs), 2, 4)
    stack = masked(torch.randn(3, 5, inputs), 2, 4)
    tensors = {"plain": weight, "turned": weight.T.contiguous()}
    tensors |= {"stack": stack, "turned stack": stack.mT.contiguous()}
    patterns = [one for one in STANDARD if inputs % one.m == 0]

    certificate = certified(tmp_path, tensors, "turned", "turned stack", patterns=patterns)

    counts = broken(certificate)
    for pattern in map(str, patterns):
        assert (counts.get((pattern, "plain"), 0), counts.get((pattern, "stack"), 0)) == (
            counts.get((pattern, "turned"), 0),
            counts.get((pattern, "turned stack"), 0),
        )
    assert certificate.holds(GroupPattern(2, 4))


def test_one_more_weight_in_one_group_breaks_the_pattern_of_its_matrix_alone(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    weights = {name: masked(torch.randn(16, 32), 2, 4) for name in "abc"}
    zeros = (weights["b"].view(-1, 4)[77] == 0).nonzero()
    weights["b"].view(-1, 4)[77, zeros[0]] = 1e-30

    certificate = certified(tmp_path, weights, patterns=STANDARD)

    assert certificate.broken[GroupPattern(2, 4)] == [BrokenMatrix("b", 128, 1)]
    assert certificate.held == []
    assert not certificate.holds(GroupPattern(2, 4))


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("piece_bytes", [1, 1 << 20])
def test_groups_of_a_quantised_matrix_are_counted_as_those_of_its_integers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, piece_bytes: int
) -> None:
    monkeypatch.setattr("zpruner.files.certificate.PIECE_BYTES", piece_bytes)
    torch.manual_seed(0)
    integers = torch.randint(-(2 ** (bits - 1)), 2 ** (bits - 1), (6, 7 * 16), dtype=torch.int8)
    integers *= torch.rand(integers.shape) > 0.5
    matrix = QuantizedMatrix(integers, torch.ones(6, 7), bits)
    save_file(matrix.stored("layers.0.weight"), tmp_path / "model.safetensors")
    certificate = Certificate(PATTERNS)

    certificate.add(Matrix("layers.0.weight"), tensors_of(tmp_path))

    counts = {str(one): violations_by_loop(integers, one) for one in PATTERNS}
    expected = {(name, "layers.0.weight"): count for name, count in counts.items() if count}
    assert broken(certificate) == expected


def test_packed_integers_whose_zero_is_not_that_of_the_weights_are_refused(tmp_path: Path) -> None:
    matrix = QuantizedMatrix(torch.ones(2, 8, dtype=torch.int8), torch.ones(2, 1), 4)
    tensors = matrix.stored("weight") | {"weight_zero_point": torch.ones(2, 1)}
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(FilesError, match="stored as I32; name the unquantised model"):
        Certificate(STANDARD).add(Matrix("weight_packed"), tensors_of(tmp_path))


def test_zeros_of_either_sign_count_and_nan_does_not(tmp_path: Path) -> None:
    weight = torch.tensor([[1.0, 2.0, -0.0, 0.0], [float("nan"), 1.0, 0.0, -0.0]])
    assert certified(tmp_path, {"a": weight}).held == [GroupPattern(2, 4)]
    weight[1, 2] = 3
    assert certified(tmp_path, {"a": weight}).held == []


def test_rows_that_do_not_split_into_groups_do_not_hold_the_pattern(tmp_path: Path) -> None:
    certificate = certified(tmp_path, {"a": torch.zeros(3, 6)}, patterns=STANDARD)
    assert certificate.held == [GroupPattern(1, 2)]
    assert certificate.broken[GroupPattern(2, 4)] == [BrokenMatrix("a", 6, 3)]


def test_nothing_is_certified_without_a_matrix(tmp_path: Path) -> None:
    assert certified(tmp_path, {}).held == []


@pytest.mark.parametrize(
    ("tensors", "name", "reason"),
    [
        ({"a": torch.zeros(4)}, "a", "tensor a has 1 dimensions, so is no matrix"),
        ({"a": torch.zeros(4, 4)}, "b", "the folder has no tensor 'b'"),
        ({"a": torch.zeros(4, 4, dtype=torch.bool)}, "a", "stored as BOOL"),
    ],
)
def test_what_is_no_matrix_is_refused(
    tmp_path: Path, tensors: dict[str, Tensor], name: str, reason: str
) -> None:
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(FilesError, match=reason):
        Certificate(STANDARD).add(Matrix(name), tensors_of(tmp_path))


@pytest.mark.parametrize("text", ["", "2", "2:", "4:2", "0:4", "2:4:8", "-1:2", "2:4 ", "1:100000"])
def test_a_text_that_is_no_pattern_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(FilesError, match=r"name one such as 2:4"):
        GroupPattern.parse(text)
    assert str(GroupPattern.parse("2:4")) == "2:4"
