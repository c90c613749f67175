"""The probabilities of units that a search has ended with, as a file of a job's result."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from db.core.errors import SpecRefusedError
from db.spec.inputs.job_results import PROBABILITIES
from worker.pruning.base.file_digests import file_digest
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.smaller_config import CONFIG
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.removal.model_units import ModelUnits, Module
from worker.sources.models import ModelFolder
from worker.sources.search_starts import SearchStart

Probability = Annotated[float, Field(ge=0, le=1)]


class _Module(BaseModel):
    """The units of one module of a block, with the probability that each is kept."""

    block: int
    units: str
    probabilities: tuple[Probability, ...]


class _Search(BaseModel):
    """The end of a search.

    Attributes:
        config_sha256: the digest of the config of the model that was searched.
        modules: its modules, in the order of the blocks.
    """

    config_sha256: str
    modules: tuple[_Module, ...]


def write_probabilities(
    out: Path,
    model: ModelFolder,
    meta_model: MetaModel,
    recipe: Recipe,
    probabilities: Sequence[float],
) -> None:
    """Add the probabilities of all units of a model, in the order of `ModelUnits`, to ``out``."""
    modules = [
        _Module(
            block=module.block,
            units=module.name,
            probabilities=probabilities[module.start : module.end],
        )
        for module in _modules(meta_model, recipe)
    ]
    search = _Search(config_sha256=file_digest(model.path / CONFIG), modules=tuple(modules))
    (out / PROBABILITIES).write_text(json.dumps(search.model_dump()) + "\n")


def read_probabilities(
    start: SearchStart, model: ModelFolder, meta_model: MetaModel, recipe: Recipe
) -> tuple[float, ...]:
    """Return the probabilities of all units of a model, in the order of `ModelUnits`.

    Raises:
        SpecRefusedError: the file is of another model, or not what a search writes.
    """
    try:
        search = _Search.model_validate_json(start.content)
    except ValidationError as error:
        reason = f"its {PROBABILITIES} is not what a search writes: {error.errors()[0]['msg']}"
        remedy = "Name a result that has not been changed."
        raise _refused(start, "no_search", reason, remedy) from None
    if differences := list(_differences(search, model, meta_model, recipe)):
        reason = f"its search was that of another model: {differences[0]}"
        remedy = "Name a pgp job on the same model, or leave search_start out."
        raise _refused(start, "other_model", reason, remedy)
    return tuple(chain.from_iterable(module.probabilities for module in search.modules))


def _modules(meta_model: MetaModel, recipe: Recipe) -> list[Module]:
    if not isinstance(recipe.removal, MeasuredUnits):
        return []
    return ModelUnits(meta_model, recipe.removal).modules


def _differences(
    search: _Search, model: ModelFolder, meta_model: MetaModel, recipe: Recipe
) -> Iterator[str]:
    """Say how the searched model differs from the one to prune."""
    if (digest := file_digest(model.path / CONFIG)) != search.config_sha256:
        yield f"the sha256 of its {CONFIG} is {search.config_sha256[:12]}…, not {digest[:12]}…"
    own = [
        (module.block, module.name, module.units.count) for module in _modules(meta_model, recipe)
    ]
    earlier = [(module.block, module.units, len(module.probabilities)) for module in search.modules]
    if earlier != own:
        yield "its blocks have other units"


def _refused(start: SearchStart, code: str, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError("search_start", start.name, code, reason, remedy)
