"""The speed of a machine at each kind of work, and the amounts of work that a task takes."""

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class Speed:
    """The amount of each kind of work that a machine does per second.

    Attributes:
        forward_matmul: operations of matrix products in the dtype of the forward passes.
        fp32_matmul: operations of matrix products in fp32.
        gram_matmul: operations of matrix products in Gram matrices of inputs, which are in the
            dtype of the forward passes; the time of adding the products is included.
        factorization: operations of factorizations and inversions in fp32.
        elementwise: bytes read and written by elementwise operations.
        reading: bytes read from files.
        writing: bytes written to files, flushed to the disk and hashed.
        calls: calls of torch's functions on a few numbers. Their time is that of Python and torch,
            of which small models take more than of arithmetic.
    """

    forward_matmul: float
    fp32_matmul: float
    gram_matmul: float
    factorization: float
    elementwise: float
    reading: float
    writing: float
    calls: float


@dataclass(frozen=True)
class Cost:
    """Amounts of work, in the operations and bytes that `Speed` gives per second."""

    forward_matmul: float = 0.0
    fp32_matmul: float = 0.0
    gram_matmul: float = 0.0
    factorization: float = 0.0
    elementwise: float = 0.0
    reading: float = 0.0
    writing: float = 0.0
    calls: float = 0.0

    def __add__(self, other: Self) -> "Cost":
        return Cost(
            *(amount + added for amount, added in zip(_values(self), _values(other), strict=True))
        )

    def __mul__(self, times: float) -> "Cost":
        return Cost(*(value * times for value in _values(self)))

    def seconds(self, speed: Speed) -> float:
        """Return how long the work takes at this speed if the kinds of work do not overlap."""
        return sum(
            amount / rate for amount, rate in zip(_values(self), _values(speed), strict=True)
        )


def _values(record: Speed | Cost) -> tuple[float, ...]:
    return tuple(getattr(record, field.name) for field in fields(record))
