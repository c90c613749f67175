"""How fast a machine is, and how much there is to do for it."""

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class Speed:
    """What a machine does in a second of each kind of work.

    Attributes:
        forward: operations of matrix products in the dtype of the forwards.
        solving: operations of matrix products in fp32.
        factoring: operations of factorizations and inversions in fp32.
        passing: bytes that operations on single numbers read and write.
        reading: bytes read from files.
        writing: bytes written to files until they are on the disk, and hashed.
    """

    forward: float
    solving: float
    factoring: float
    passing: float
    reading: float
    writing: float


@dataclass(frozen=True)
class Effort:
    """Amounts of the kinds of work that `Speed` names, in its units."""

    forward: float = 0.0
    solving: float = 0.0
    factoring: float = 0.0
    passing: float = 0.0
    reading: float = 0.0
    writing: float = 0.0

    def __add__(self, other: Self) -> "Effort":
        return Effort(*(one + two for one, two in zip(_values(self), _values(other), strict=True)))

    def __mul__(self, times: float) -> "Effort":
        return Effort(*(value * times for value in _values(self)))

    def seconds(self, speed: Speed) -> float:
        """Return how long it takes, one kind of work after another."""
        return sum(
            amount / rate for amount, rate in zip(_values(self), _values(speed), strict=True)
        )


def _values(record: Speed | Effort) -> tuple[float, ...]:
    return tuple(getattr(record, field.name) for field in fields(record))
