"""How strongly ALPS pulls the weights to the sparse ones."""

from typing import Literal

_MUCH, _LITTLE = 0.1, 0.005  # changed entries of the mask, over the kept weights
_LEAST = 1e-4  # below, the pull is lost in fp32 and the dense weights are the answer

Verdict = Literal["go on", "restart", "settled"]


class Penalty:
    """ρ of ALPS and its published schedule.

    Args:
        kept_weights: how many weights the mask keeps.

    Attributes:
        rho: the penalty, beside a Gram matrix of unit diagonal.
    """

    def __init__(self, kept_weights: int) -> None:
        self.kept_weights = kept_weights
        self.rho = 0.1
        self._rising = False

    def review(self, changed: int) -> Verdict:
        """Adapt to how many entries of the mask changed since the last review.

        While the support moves, ρ rises, the faster the more it moves. A start at which it hardly
        moves was too strong: ρ falls, and the search starts again if it had moved at all.
        """
        if changed > _LITTLE * self.kept_weights:
            self._rising = True
            self.rho *= 1.3 if changed > _MUCH * self.kept_weights else 1.2
        elif self._rising and changed:
            self.rho *= 1.1
        elif self._rising or self.rho < _LEAST:
            return "settled"
        else:
            self.rho /= 5
            return "restart" if changed else "go on"
        return "go on"
