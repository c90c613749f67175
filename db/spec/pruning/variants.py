"""The variants of the method ``exact``."""

from enum import StrEnum


class Variant(StrEnum):
    """How the method ``exact`` chooses the mask, and how it repairs the kept weights.

    The first letter is the choice: ``s`` by the loss that each weight alone would cause, ``m`` by
    the joint loss of each set of weights that may be removed from an N:M group. The second letter
    is the repair: ``s`` one column after another, ``m`` all weights at once.
    """

    ss = "ss"
    sm = "sm"
    ms = "ms"
    mm = "mm"

    @property
    def compares_sets(self) -> bool:
        """Whether the mask is chosen by comparing sets of weights, which needs an N:M pattern."""
        return self.value.startswith("m")


def default_variant(pattern: str | None) -> Variant:
    """Return the default variant: ``mm`` with an N:M pattern, ``sm`` without."""
    return Variant.sm if pattern is None else Variant.mm
