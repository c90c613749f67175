"""The variants of the method ``exact``."""

from enum import StrEnum


class Variant(StrEnum):
    """How the method ``exact`` chooses the mask, and how it repairs the kept weights.

    The first letter is the choice: ``s`` by the loss of each weight alone, ``m`` by the joint loss
    of each set of a group of N:M. The second is the repair: ``s`` column by column, ``m`` of all
    weights at once.
    """

    ss = "ss"
    sm = "sm"
    ms = "ms"
    mm = "mm"

    @property
    def compares_sets(self) -> bool:
        """Whether it compares the sets of a group."""
        return self.value.startswith("m")


def default_variant(pattern: str | None) -> Variant:
    """Return the variant of a job that names none."""
    return Variant.sm if pattern is None else Variant.mm
