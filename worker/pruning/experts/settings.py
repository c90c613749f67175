"""How experts are removed."""

from dataclasses import dataclass
from typing import Literal

Score = Literal["reap", "frequency"]


@dataclass(frozen=True)
class ExpertSettings:
    """How many experts of each layer stay, and which.

    Attributes:
        ratio: the share of the experts that is removed; not used if ``kept`` is given.
        kept: how many experts of each layer stay; None if the ratio decides.
        score: how experts are scored: ``reap`` by what they add to the outputs of the tokens that
            are routed to them, ``frequency`` by the number of these tokens.
        from_dense: whether the calibration windows that score a block come from the dense model,
            as in the published code, and not from the blocks that have lost their experts.
    """

    ratio: float
    kept: int | None = None
    score: Score = "reap"
    from_dense: bool = False
