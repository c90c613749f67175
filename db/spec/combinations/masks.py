"""Which weights become zero, and how a solver changes the others."""

from math import comb

from db.core.errors import SpecRefusedError
from db.spec.allocations import AllocationName, SpreadAllocation
from db.spec.combinations.unfit import UNFIT
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import OWN_MASK, REMOVING, MethodName, SolverName
from db.spec.variants import default_variant

ROUNDING = 1e-6  # six decimals are enough for a sparsity
MAX_SETS = 1000
"""The maximum number of possible masks of an N:M group for variants that compare all of them; 4:8
has 70 masks, and 5:10 has 252."""


def check_masks(spec: PruneSpec) -> None:
    """Check the solver, the variant, the pattern and the allocation.

    Raises:
        SpecRefusedError: two of them contradict each other, or have no effect.
    """
    _check_solver(spec)
    _check_variant(spec)
    if spec.pattern is not None:
        _check_pattern(spec, spec.pattern)
    if isinstance(spec.allocation, tuple):
        _check_mean(spec, spec.allocation)


def _check_solver(spec: PruneSpec) -> None:
    if spec.method in OWN_MASK and spec.solver is not SolverName.none:
        raise SpecRefusedError(
            "solver",
            spec.solver.value,
            UNFIT,
            f"method {spec.method} chooses its own mask and repairs it",
            "Leave solver out, or name a score such as zpruner as the method.",
        )
    changes_weights = {"correction": _is_solved(spec) or spec.refine is not None}
    changes_weights["damping"] = _is_solved(spec)
    for name, is_used in changes_weights.items():
        if (value := getattr(spec, name)) is not None and not is_used:
            raise SpecRefusedError(
                name,
                value,
                UNFIT,
                "no solver changes the weights",
                f"Name a solver such as alps, or leave {name} out.",
            )


def _check_variant(spec: PruneSpec) -> None:
    """Check that only the method ``exact`` has a variant, and that the pattern suits the variant.

    A variant that compares all masks of an N:M group needs a pattern whose groups have at most
    `MAX_SETS` possible masks.
    """
    if spec.method is not MethodName.exact:
        if spec.variant is not None:
            raise SpecRefusedError(
                "variant",
                spec.variant.value,
                UNFIT,
                "only the method exact has variants",
                "Leave variant out, or name exact as the method.",
            )
        return
    variant = spec.variant or default_variant(spec.pattern)
    if not variant.compares_sets:
        return
    if spec.pattern is None:
        raise SpecRefusedError(
            "variant",
            variant.value,
            UNFIT,
            "it compares the sets of a group of N:M, and there is no pattern",
            "Name a pattern such as 2:4, or set variant to sm or ss.",
        )
    kept, group = map(int, spec.pattern.split(":"))
    if (sets := comb(group, kept)) > MAX_SETS:
        raise SpecRefusedError(
            "variant",
            variant.value,
            UNFIT,
            f"a group of {spec.pattern} has {sets:,} sets, and at most {MAX_SETS:,} are compared",
            "Set variant to sm or ss, or choose a pattern of smaller groups.",
        )


def _check_pattern(spec: PruneSpec, pattern: str) -> None:
    kept, group = map(int, pattern.split(":"))
    share = 1 - kept / group
    if kept >= group:
        raise SpecRefusedError(
            "pattern", pattern, UNFIT, "it keeps everything", "Choose an N below M, as in 2:4."
        )
    if abs(spec.sparsity - share) > ROUNDING:
        raise SpecRefusedError(
            "sparsity",
            spec.sparsity,
            UNFIT,
            f"pattern {pattern} gives {share:g}",
            f"Set sparsity to {share:g}, or leave pattern out.",
        )
    if spec.allocation is not AllocationName.uniform:
        raise SpecRefusedError(
            "allocation",
            _plain(spec.allocation),
            UNFIT,
            f"pattern {pattern} gives every matrix the same sparsity",
            "Leave allocation or pattern out.",
        )
    if spec.scope is not None:
        raise SpecRefusedError(
            "scope",
            spec.scope.value,
            UNFIT,
            f"pattern {pattern} determines which weights compete",
            "Leave scope or pattern out.",
        )


def _check_mean(spec: PruneSpec, sparsities: tuple[float, ...]) -> None:
    mean = sum(sparsities) / len(sparsities)
    if abs(spec.sparsity - mean) > ROUNDING:
        raise SpecRefusedError(
            "sparsity",
            spec.sparsity,
            UNFIT,
            f"the mean of the {len(sparsities)} sparsities in allocation is {mean:g}",
            f"Set sparsity to {mean:g}, or correct allocation.",
        )


def _is_solved(spec: PruneSpec) -> bool:
    unsolved = {SolverName.none, SolverName.dsnot}
    repairs = OWN_MASK | (REMOVING - {MethodName.depth})
    return spec.method in repairs or spec.solver not in unsolved


def _plain(allocation: AllocationName | tuple[float, ...] | SpreadAllocation) -> object:
    if isinstance(allocation, SpreadAllocation):
        return allocation.model_dump()
    return list(allocation) if isinstance(allocation, tuple) else allocation.value
