"""The removal of units or blocks that a job asks for."""

from collections.abc import Mapping
from dataclasses import replace

from db.spec.options.masks import Propagation
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName, SelectionName
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import (
    PUBLISHED_ADAPT,
    PUBLISHED_PGP,
    Adapt,
    LastTokens,
    Measure,
    Pgp,
)
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.removal import Removal

_REMOVALS: Mapping[str, type[Neurons] | type[Heads] | type[Depth]] = {
    MethodName.neurons: Neurons,
    MethodName.heads: Heads,
    MethodName.depth: Depth,
}


def removal_of(spec: PruneSpec) -> Removal | None:
    if spec.ratio is None:
        return None
    if (measure := _measure(spec)) is not None:
        return MeasuredUnits(spec.ratio, measure, spec.uniform)
    is_exact = spec.target is not None
    if spec.selection is SelectionName.ptl:
        return Neurons(spec.ratio, last_tokens=LastTokens(), is_exact=is_exact)
    remove = _REMOVALS.get(spec.method)
    return None if remove is None else remove(spec.ratio, is_exact=is_exact)


def _measure(spec: PruneSpec) -> Measure | None:
    """Return how units are measured before the sweep; None if they are not."""
    as_published = spec.propagation is Propagation.reference
    if spec.method is MethodName.adapt:
        return PUBLISHED_ADAPT if as_published else Adapt()
    if spec.method is MethodName.pgp:
        pgp = replace(PUBLISHED_PGP if as_published else Pgp(), seed=spec.seed)
        return replace(pgp, steps=spec.search_steps or pgp.steps)
    return None
