"""The refusal of options that cannot be combined."""

from collections.abc import Mapping

from db.core.errors import SpecRefusedError
from db.spec.allocations import AllocationName
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import SolverName

UNFIT = "unfit_combination"
_UNUSED: Mapping[str, object] = {
    "sparsity": 0.0,
    "solver": SolverName.none,
    "allocation": AllocationName.uniform,
    "skip": [],
}
"""The values of these fields, as JSON, in a job that does not use them; None for the others."""


def check_unused(
    spec: PruneSpec, names: tuple[str, ...], reason: str, alternative: str | None = None
) -> None:
    """Check that a job does not use the fields of these names.

    Raises:
        SpecRefusedError: it uses one of them, which ``reason`` forbids; ``alternative`` says what a
            method for which the field has a meaning does, if there is one.
    """
    values = spec.model_dump(mode="json", include=set(names))
    for name in names:
        if values[name] != _UNUSED.get(name):
            remedy = f"Leave {name} out."
            if alternative is not None:
                remedy = f"Leave {name} out, or name a method that {alternative}, such as zpruner."
            raise SpecRefusedError(name, values[name], UNFIT, reason, remedy)
