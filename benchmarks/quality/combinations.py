"""The rows (methods) and the columns (patterns) of the quality table."""

from dataclasses import dataclass, field

UNSTRUCTURED: dict[str, dict[str, object]] = {
    f"{percent} %": {"sparsity": percent / 100} for percent in (50, 60, 70)
}
PATTERNS: dict[str, dict[str, object]] = {
    **UNSTRUCTURED,
    "2:4": {"sparsity": 0.5, "pattern": "2:4"},
    "4:8": {"sparsity": 0.5, "pattern": "4:8"},
}


@dataclass(frozen=True)
class Combination:
    """One row of the table.

    Attributes:
        name: the label of the row.
        fields: the job's fields for this row.
        patterns: the columns that are measured for this row.
    """

    name: str
    fields: dict[str, object]
    patterns: tuple[str, ...] = field(default=tuple(PATTERNS))


_SCORES = ("magnitude", "ria", "wanda", "gblm", "zpruner")
_SOLVERS = ("dsnot", "sparsegpt", "admm", "alps")
_OWN_MASK = _SOLVERS[1:]  # these also work as methods that choose their own mask

COMBINATIONS = (
    *(Combination(score, {"method": score}) for score in _SCORES),
    *(
        Combination(f"{score} + {solver}", {"method": score, "solver": solver})
        for solver in _SOLVERS
        for score in _SCORES
    ),
    *(Combination(solver, {"method": solver}) for solver in (*_OWN_MASK, "exact")),
    *(
        Combination(
            f"{solver}, no correction", {"method": solver, "correction": 0.0}, ("50 %", "2:4")
        )
        for solver in _OWN_MASK
    ),
    *(
        Combination(f"{method}, owl", {"method": method, "allocation": "owl"}, tuple(UNSTRUCTURED))
        for method in ("wanda", "zpruner", *_OWN_MASK)
    ),
)
QUICK = dict.fromkeys(("zpruner", "wanda", "admm"), ("50 %", "2:4"))
"""The cells that `make bench` measures, because the whole table takes hours."""
