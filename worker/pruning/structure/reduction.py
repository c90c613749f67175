"""A reduction: which units, or how many, a model will lose, and the config that follows."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import Fields

Removal = TypeVar("Removal", bound=Hashable)
R = TypeVar("R")


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


def once_per_model(
    reduce: Callable[[Removal, MetaModel], R],
) -> Callable[[Removal, MetaModel], R]:
    """Keep the reduction of each model: to check a config, the smaller model is built."""
    known = WeakKeyDictionary[MetaModel, dict[Removal, R]]()

    @wraps(reduce)
    def reduced(removal: Removal, meta_model: MetaModel) -> R:
        of_model = known.setdefault(meta_model, {})
        if removal not in of_model:
            of_model[removal] = reduce(removal, meta_model)
        return of_model[removal]

    return reduced
