"""Which weights become zero, and how a solver changes the others."""

from enum import StrEnum
from math import comb
from typing import ClassVar

from pydantic import Field, StrictFloat

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.options.refine import RefineFields
from db.spec.pruning.allocations import Allocation, AllocationName
from db.spec.pruning.globs import Glob
from db.spec.pruning.methods import (
    OWN_MASK,
    PRUNING,
    REMOVING,
    ZEROING,
    MethodName,
    SolverName,
)
from db.spec.pruning.patterns import Pattern
from db.spec.pruning.variants import Variant, default_variant

ROUNDING = 1e-6  # six decimals are enough for a sparsity
MAX_SETS = 1000
"""The maximum number of possible masks of an N:M group for variants that compare all of them; 4:8
has 70 masks, and 5:10 has 252."""


class Scope(StrEnum):
    """Which weights compete with each other."""

    matrix = "matrix"
    row = "row"


class Propagation(StrEnum):
    """How a pruned block's output becomes the next block's input."""

    fused = "fused"
    reference = "reference"


def _check(spec: "MaskFields") -> None:
    """Check the solver, the variant, the pattern and the allocation."""
    _check_solver(spec)
    _check_variant(spec)
    if spec.pattern is not None:
        _check_pattern(spec, spec.pattern)
    if isinstance(spec.allocation, tuple):
        _check_mean(spec, spec.allocation)


def _check_solver(spec: "MaskFields") -> None:
    misfit = spec.method in OWN_MASK and spec.solver is not SolverName.none
    reason = f"method {spec.method} chooses its own mask and repairs it"
    remedy = "Leave solver out, or name a score such as zpruner as the method."
    check_fits("solver", spec.solver.value, (misfit, reason, remedy))
    solves, refines = _is_solved(spec), RefineFields.of(spec).refine is not None
    for name, is_used in {"correction": solves or refines, "damping": solves}.items():
        remedy = f"Name a solver such as alps, or leave {name} out."
        misfit = getattr(spec, name) is not None and not is_used
        check_fits(name, getattr(spec, name), (misfit, "no solver changes the weights", remedy))


def _check_variant(spec: "MaskFields") -> None:
    """Check that only the method ``exact`` has a variant, and that the pattern suits the variant.

    A variant that compares all masks of an N:M group needs a pattern whose groups have at most
    `MAX_SETS` possible masks.
    """
    if spec.method is not MethodName.exact:
        reason = "only the method exact has variants"
        remedy = "Leave variant out, or name exact as the method."
        value = spec.variant and spec.variant.value
        check_fits("variant", value, (value is not None, reason, remedy))
        return
    variant = spec.variant or default_variant(spec.pattern)
    if not variant.compares_sets:
        return
    reason = "it compares the sets of a group of N:M, and there is no pattern"
    remedy = "Name a pattern such as 2:4, or set variant to sm or ss."
    check_fits("variant", variant.value, (spec.pattern is None, reason, remedy))
    kept, group = map(int, (spec.pattern or "").split(":"))
    sets = comb(group, kept)
    reason = f"a group of {spec.pattern} has {sets:,} sets, and at most {MAX_SETS:,} are compared"
    remedy = "Set variant to sm or ss, or choose a pattern of smaller groups."
    check_fits("variant", variant.value, (sets > MAX_SETS, reason, remedy))


def _check_pattern(spec: "MaskFields", pattern: str) -> None:
    kept, group = map(int, pattern.split(":"))
    share = 1 - kept / group
    remedy = "Choose an N below M, as in 2:4."
    check_fits("pattern", pattern, (kept >= group, "it keeps everything", remedy))
    is_other = abs(spec.sparsity - share) > ROUNDING
    remedy = f"Set sparsity to {share:g}, or leave pattern out."
    check_fits("sparsity", spec.sparsity, (is_other, f"pattern {pattern} gives {share:g}", remedy))
    reason = f"pattern {pattern} gives every matrix the same sparsity"
    spread = spec.allocation is not AllocationName.uniform
    value = spec.model_dump(mode="json", include={"allocation"})["allocation"] if spread else None
    check_fits("allocation", value, (spread, reason, "Leave allocation or pattern out."))
    reason = f"pattern {pattern} determines which weights compete"
    misfit = (spec.scope is not None, reason, "Leave scope or pattern out.")
    check_fits("scope", spec.scope and spec.scope.value, misfit)


def _check_mean(spec: "MaskFields", sparsities: tuple[float, ...]) -> None:
    mean = sum(sparsities) / len(sparsities)
    is_other = abs(spec.sparsity - mean) > ROUNDING
    reason = f"the mean of the {len(sparsities)} sparsities in allocation is {mean:g}"
    remedy = f"Set sparsity to {mean:g}, or correct allocation."
    check_fits("sparsity", spec.sparsity, (is_other, reason, remedy))


def _is_solved(spec: "MaskFields") -> bool:
    unsolved = {SolverName.none, SolverName.dsnot}
    repairs = OWN_MASK | (REMOVING - {MethodName.depth, MethodName.experts})
    return spec.method in repairs or spec.solver not in unsolved


class MaskFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        varied=(
            *("pattern", "solver", "allocation", "scope", "correction", "damping", "variant"),
            "propagation",
        ),
        varied_lists=("skip",),
        metrics={"pattern": ("patterns.broken",)},
        remedies={
            "pattern": "Write 2:4 to keep two of each four neighbours.",
            "allocation": "Use uniform, owl, dlp or matrix, one of the last three also with a "
            'spread above 0 and at most 0.5, as in {{"name": "owl", "spread": 0.15}}, or a list '
            "like [0.45, 0.5, 0.55] with a number from 0 to below 1 for each block.",
        },
        usual=("pattern",),
        place=Place.how,
        places={"pattern": Place.what, "propagation": Place.propagation},
        first={"pattern": 6},
        only_with={
            **{name: {"method": ZEROING} for name in ("pattern", "allocation", "scope")},
            "solver": {"method": ZEROING - OWN_MASK},
            "variant": {"method": {MethodName.exact}},
            "correction": {"method": PRUNING},
            "damping": {"method": PRUNING - {MethodName.depth, MethodName.experts}},
            "skip": {"method": {MethodName.none, *ZEROING}},
        },
        labels={"pattern": "N:M pattern", "skip": "Layers to skip"},
        docs={
            "scope": "[Which weights compete](#which-weights-go).",
            "pattern": "It implies the `sparsity`; another one beside it is refused.",
            "solver": "[Solvers](#which-weights-go).",
            "variant": "[Exact](methods/exact.md).",
            "correction": "[Solvers](#which-weights-go).",
            "damping": "The fewer the calibration tokens, the more.",
            "allocation": "[Allocation](#allocation).",
            "propagation": "[Propagation](#which-weights-go).",
        },
    )

    scope: Scope | None = Field(
        default=None,
        description="Which weights compete; by default as the method was published.",
    )
    pattern: Pattern | None = Field(
        default=None,
        description="N:M keeps N of each M neighbours in a row; unstructured by default.",
        examples=["2:4"],
    )
    solver: SolverName = Field(
        default=SolverName.none,
        description="Changes the kept weights to make up for the others; `dsnot` swaps weights "
        "instead, so that all keep their values.",
    )
    variant: Variant | None = Field(
        default=None,
        description="How method `exact` chooses the mask and how it repairs the kept weights, each "
        "singly (s) or jointly (m); by default `mm` with N:M and `sm` without.",
    )
    correction: StrictFloat | None = Field(
        default=None,
        ge=0,
        le=1,
        description=(
            "How far a solver makes up for the losses of earlier layers; by default 0.3, and 0 "
            "with reference propagation or where units are removed."
        ),
    )
    damping: StrictFloat | None = Field(
        default=None,
        gt=0,
        le=1,
        description=(
            "How strongly a solver holds the kept weights to the dense ones, as a share of the "
            "inputs' mean square; by default 0.01 for `sparsegpt`, 0.1 for others and where units "
            "are removed, and as published with reference propagation."
        ),
    )
    allocation: Allocation = Field(
        default=AllocationName.uniform,
        description="How `sparsity` is distributed: `uniform`; over the blocks by `owl` or `dlp`; "
        "within each block over its matrices by `matrix`; one of these three with a spread, as in "
        '`{"name": "owl", "spread": 0.15}`; or a list with the sparsity of each block in depth '
        "order, whose mean must be `sparsity`.",
        examples=["owl", {"name": "matrix", "spread": 0.1}, [0.45, 0.5, 0.55]],
    )
    skip: tuple[Glob, ...] = Field(
        default=(),
        max_length=64,
        fail_fast=True,  # a tuple's length is checked last
        description="Globs of layers to leave alone, such as `*.o_proj` or `model.layers.0.*`.",
    )
    propagation: Propagation | None = Field(
        default=None,
        description="What the next layers read; by default `fused`, but `reference` with "
        "`experts`, and with a `target` of `neurons` or `heads` unless `refine`, `correction`, "
        "`steps` or `keep_dataset` stands beside it.",
    )
