"""Matrices of packed integers, as compressed-tensors stores them (`pack-quantized`)."""

from collections.abc import Mapping

import numpy as np

from zpruner.files.elements import Flags
from zpruner.files.errors import FilesError
from zpruner.files.header import StoredTensor

PACKED = "_packed"
"""The end of the name of a matrix's packed integers, after the name of the matrix."""
SHAPE_BYTES = 16
"""The size of the tensor with the shape of a matrix: two numbers."""
_WORD_BITS = 32
_BITS = (4, 8)


def companions(name: str, stored: Mapping[str, StoredTensor]) -> tuple[str, str] | None:
    """Return the names of the scales and of the shape beside packed integers of this name.

    Return None if the tensor holds no packed integers, or if their zero is not that of the weights.
    """
    matrix = name.removesuffix(PACKED)
    scales, shape = f"{matrix}_scale", f"{matrix}_shape"
    is_packed = name.endswith(PACKED) and {scales, shape} <= stored.keys()
    return (scales, shape) if is_packed and f"{matrix}_zero_point" not in stored else None


def unpacked_shape(words: StoredTensor, shape: bytes) -> tuple[tuple[int, int], int]:
    """Return the shape ``[out, in]`` of a packed matrix, and the bits of each of its integers.

    Args:
        words: the tensor with the packed integers.
        shape: the bytes of the tensor with the shape of the matrix.

    Raises:
        FilesError: they do not fit each other, or the integers have neither 4 nor 8 bits.
    """
    sizes = np.frombuffer(shape, "<i8").tolist() if len(shape) == SHAPE_BYTES else []
    if len(sizes) == 2 and len(words.shape) == 2 and words.dtype == "I32":
        (outputs, inputs), (rows, columns) = sizes, words.shape
        bits = columns * _WORD_BITS // inputs if inputs > 0 else 0
        if rows == outputs and bits in _BITS and inputs * bits == columns * _WORD_BITS:
            return (outputs, inputs), bits
    raise FilesError(
        f"tensor {ascii(words.name)[:200]} does not fit the shape beside it, or its integers have "
        "neither 4 nor 8 bits; name the unquantised model"
    )


def kept_of(data: bytes, bits: int) -> Flags:
    """Return which packed integers are not zero; the first of a word is in its lowest bits."""
    numbers = np.frombuffer(data, np.uint8)
    if bits == 4:
        numbers = np.stack((numbers & 15, numbers >> 4), axis=1).ravel()
    kept: Flags = numbers != 1 << bits - 1
    return kept
