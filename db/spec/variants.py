"""The variants of the method ``exact``."""

from enum import StrEnum


class Variant(StrEnum):
    """How the method ``exact`` chooses the mask, and how it repairs the kept weights.

    The first letter is the choice: ``s`` by the loss of each weight alone, ``m`` by the joint loss
    of each possible set of weights in an N:M group. The second letter is the repair: ``s`` one
    column after another, ``m`` all weights at once.
    """

    ss = "ss"
    sm = "sm"
    ms = "ms"
    mm = "mm"

    @property
    def compares_sets(self) -> bool:
        """Whether the variant compares the sets of weights in an N:M group."""
        return self.value.startswith("m")


def default_variant(pattern: str | None) -> Variant:
    """Return the variant of a job that names none."""
    return Variant.sm if pattern is None else Variant.mm
