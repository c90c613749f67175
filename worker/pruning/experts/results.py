"""The result of removing experts from a block."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class ExpertsResult:
    """The experts of a block, and which of them stay.

    Attributes:
        name: dotted path of their module in the block.
        kept: the indices of those that stay, in the dense model.
        scores: the score of each expert of the dense model.
        tokens: how many calibration tokens were routed to each of them.
        gate_removed: the share of the sum of the gates' weights that the removed ones had.
        unrouted: the share of the calibration tokens whose experts were all removed.
    """

    name: str
    kept: tuple[int, ...]
    scores: tuple[float, ...]
    tokens: tuple[int, ...]
    gate_removed: float
    unrouted: float

    @property
    def removed(self) -> int:
        """How many experts were removed."""
        return len(self.scores) - len(self.kept)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the result from its fields, after conversion to JSON and back."""
        lists = {name: tuple(fields[name]) for name in ("kept", "scores", "tokens")}
        return cls(**{**fields, **lists})
