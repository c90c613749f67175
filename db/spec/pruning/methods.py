"""The methods and solvers by name."""

from enum import StrEnum
from typing import Self


class MethodName(StrEnum):
    """The method that scores the weights; methods that are also solvers choose the mask themselves.

    ``neurons``, ``heads`` and ``depth`` remove channels of MLPs, attention heads and blocks, so
    that the model gets smaller; ``adapt`` and ``pgp`` remove channels and heads together, and
    ``experts`` removes experts of a mixture. ``none`` keeps the zeros that the model has and prunes
    nothing.
    """

    is_solver: bool
    """Whether it is also a solver; then it chooses the mask itself."""

    def __new__(cls, name: str, is_solver: bool = False) -> Self:
        method = str.__new__(cls, name)
        method._value_ = name
        method.is_solver = is_solver
        return method

    zpruner = "zpruner"
    magnitude = "magnitude"
    wanda = "wanda"
    ria = "ria"
    gblm = "gblm"
    sparsegpt = "sparsegpt", True
    admm = "admm", True
    alps = "alps", True
    exact = "exact", True
    neurons = "neurons"
    heads = "heads"
    depth = "depth"
    adapt = "adapt"
    pgp = "pgp"
    experts = "experts"
    none = "none"


class SolverName(StrEnum):
    """How kept weights make up for the pruned ones; ``dsnot`` swaps weights instead."""

    none = "none"
    vars().update({method.name: method.value for method in MethodName if method.is_solver})
    dsnot = "dsnot"


class SelectionName(StrEnum):
    """How a method selects the channels, or the experts, that go.

    Of the method ``neurons``, ``energy`` removes those that contribute least to the outputs;
    ``ptl`` those that are least active on the last tokens of prompts, as published with gradual
    pruning (PTL). Of the method ``experts``, ``reap`` removes those that add least to the outputs
    of the tokens that are routed to them; ``frequency`` those to which the fewest tokens are
    routed.
    """

    energy = "energy"
    ptl = "ptl"
    reap = "reap"
    frequency = "frequency"


SELECTIONS = {
    MethodName.neurons: (SelectionName.energy, SelectionName.ptl),
    MethodName.experts: (SelectionName.reap, SelectionName.frequency),
}
"""The selections of the methods that have a choice, the default first."""


OWN_MASK = frozenset(name for name in MethodName if name.is_solver)
"""Methods that are solvers and choose the mask themselves."""
MEASURED = frozenset({MethodName.adapt, MethodName.pgp})
"""Methods that measure the whole model to choose the units that they remove."""
REMOVING = MEASURED | {
    MethodName.neurons,
    MethodName.heads,
    MethodName.depth,
    MethodName.experts,
}
"""Methods that remove whole units, experts or blocks, so that the model gets smaller."""
PRUNING = frozenset(MethodName) - {MethodName.none}
"""Methods that change the model."""
ZEROING = PRUNING - REMOVING
"""Methods that choose which weights become zero."""
