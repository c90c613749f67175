"""Whether matrices hold N:M patterns, read from the files that store them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import lcm, prod

from zpruner.files.elements import PIECE_BYTES, Flags, pieces, units_of
from zpruner.files.errors import FilesError
from zpruner.files.header import StoredTensor
from zpruner.files.packed import PACKED, kept_of
from zpruner.files.patterns import GroupPattern, violations
from zpruner.files.weights import PlacedTensor

_SIGNED = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
_WHOLE_NUMBERS = {"I64", "I32", "I16", "I8", "U8", "U16", "U32", "U64"}


@dataclass(frozen=True)
class Matrix:
    """A stored matrix, or a stack of them.

    Attributes:
        tensor: name of the tensor: ``[out, in]``, or ``[experts, out, in]``.
        transposed: whether its last two dimensions are ``[in, out]`` instead.
    """

    tensor: str
    transposed: bool = False


@dataclass(frozen=True)
class BrokenMatrix:
    """A matrix that does not hold a pattern.

    Attributes:
        tensor: name of its tensor.
        groups: how many groups it has; an incomplete one at the end of a row counts as one.
        broken: how many of them violate the pattern, or are incomplete.
    """

    tensor: str
    groups: int
    broken: int


@dataclass
class Certificate:
    """Whether matrices hold patterns.

    Weights that are zero by themselves count as zeros, and so does -0.0.

    Attributes:
        matrices: how many matrices were read.
        broken: the matrices that violate each pattern.
    """

    patterns: tuple[GroupPattern, ...]
    matrices: int = 0
    broken: dict[GroupPattern, list[BrokenMatrix]] = field(default_factory=dict)

    def add(self, matrix: Matrix, tensors: Mapping[str, PlacedTensor]) -> None:
        """Read a matrix from its file.

        Raises:
            FilesError: the tensor is missing, no matrix, or stored in a quantised format.
        """
        if (placed := tensors.get(matrix.tensor)) is None:
            raise FilesError(f"the folder has no tensor {ascii(matrix.tensor)[:200]}")
        self.count(broken_patterns(placed, matrix, self.patterns))

    def count(self, broken: Mapping[GroupPattern, BrokenMatrix]) -> None:
        """Count a matrix, given the patterns that it violates."""
        for pattern, matrix in broken.items():
            self.broken.setdefault(pattern, []).append(matrix)
        self.matrices += 1

    def holds(self, pattern: GroupPattern) -> bool:
        """Whether there are matrices, and all of them hold the pattern."""
        return self.matrices > 0 and not self.broken.get(pattern)

    @property
    def held(self) -> list[GroupPattern]:
        """The patterns that all matrices hold."""
        return [pattern for pattern in self.patterns if self.holds(pattern)]


def broken_patterns(
    placed: PlacedTensor, matrix: Matrix, patterns: Sequence[GroupPattern]
) -> dict[GroupPattern, BrokenMatrix]:
    """Read a matrix from its file; return those of some patterns that it violates.

    Raises:
        FilesError: the tensor is no matrix, or stored in a quantised format.
    """
    shape = placed.tensor.shape
    if len(shape) not in (2, 3):
        raise FilesError(f"tensor {matrix.tensor} has {len(shape)} dimensions, so is no matrix")
    inputs = shape[-2] if matrix.transposed else shape[-1]
    rows = prod(shape) // inputs if inputs else 0
    split = [pattern for pattern in patterns if inputs % pattern.m == 0]
    counts: Counter[GroupPattern] = Counter()
    for kept in _kept(placed, matrix, lcm(8, *(pattern.m for pattern in split))):
        counts.update({pattern: violations(kept, pattern) for pattern in split})
    counts.update({pattern: rows for pattern in patterns if pattern not in split})
    return {
        pattern: BrokenMatrix(matrix.tensor, rows * -(-inputs // pattern.m), counts[pattern])
        for pattern in patterns
        if counts[pattern]
    }


def _kept(placed: PlacedTensor, matrix: Matrix, multiple: int) -> Iterator[Flags]:
    """Yield whether each weight of a matrix is not zero, in pieces of about a megabyte.

    Within a piece the weights of one output follow each other in the order of the inputs, however
    the matrix is stored. A piece never ends inside a group whose size divides ``multiple`` and
    the inputs.
    """
    tensor = placed.tensor
    if tensor.dtype not in _SIGNED | _WHOLE_NUMBERS or tensor.name.endswith(PACKED):
        raise FilesError(
            f"tensor {tensor.name} is stored as {tensor.dtype}; name the unquantised model"
        )
    outputs = tensor.shape[-1] if matrix.transposed else 1
    size = multiple * outputs * (placed.bits or 8 * tensor.unit) // 8
    piece_bytes = size * max(1, PIECE_BYTES // size) if size else PIECE_BYTES
    with placed.open() as file:
        for begin, end in _matrices(placed, matrix):
            for data in pieces(file, begin, end, piece_bytes):
                kept = kept_of(data, placed.bits) if placed.bits else _not_zero(data, tensor)
                yield kept.reshape(-1, outputs).T.ravel() if matrix.transposed else kept


def _not_zero(data: bytes, tensor: StoredTensor) -> Flags:
    """Return which numbers of a tensor are not zero; -0.0 is."""
    units = units_of(data, tensor.unit)
    flags: Flags = (units << 1 if tensor.dtype in _SIGNED else units) != 0
    return flags


def _matrices(placed: PlacedTensor, matrix: Matrix) -> Iterator[tuple[int, int]]:
    """Yield where in the file the matrices are that have to be read apart."""
    tensor = placed.tensor
    begin, end = placed.start + tensor.begin, placed.start + tensor.end
    count = tensor.shape[0] if matrix.transposed and len(tensor.shape) == 3 else 1
    step = tensor.size_bytes // count if count else 0
    if step:
        yield from ((start, start + step) for start in range(begin, end, step))
