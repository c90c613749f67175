"""A reduction: which units, or how many, a model will lose, and the config that follows."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.pruning.structure.smaller_config import Fields


@dataclass(frozen=True)
class Reduction:
    """How much smaller a model will be.

    Attributes:
        fields: the fields of the decoder's config that change.
        kept: for each block, how many units stay, by the name of the units.
        parameters_removed: how many parameters the model will lose.
    """

    fields: Fields
    kept: tuple[Mapping[str, int], ...]
    parameters_removed: int
