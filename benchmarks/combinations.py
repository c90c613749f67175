"""What the quality table compares: scores, solvers and allocations, at several patterns."""

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
        name: what the row is called.
        fields: what a job says.
        patterns: the columns where it makes sense.
    """

    name: str
    fields: dict[str, object]
    patterns: tuple[str, ...] = field(default=tuple(PATTERNS))


COMBINATIONS = (
    Combination("magnitude", {"method": "magnitude"}),
    Combination("ria", {"method": "ria"}),
    Combination("wanda", {"method": "wanda"}),
    Combination("zpruner", {"method": "zpruner"}),
    Combination(
        "zpruner, owl", {"method": "zpruner", "allocation": "owl"}, patterns=tuple(UNSTRUCTURED)
    ),
    Combination("wanda + sparsegpt", {"method": "wanda", "solver": "sparsegpt"}),
    Combination("sparsegpt", {"method": "sparsegpt"}),
    Combination("sparsegpt, no correction", {"method": "sparsegpt", "correction": 0.0}),
    Combination("wanda + alps", {"method": "wanda", "solver": "alps"}),
    Combination("zpruner + alps", {"method": "zpruner", "solver": "alps"}),
    Combination("admm", {"method": "admm"}),
    Combination("admm, no correction", {"method": "admm", "correction": 0.0}),
    Combination("alps", {"method": "alps"}),
    Combination("alps, no correction", {"method": "alps", "correction": 0.0}),
    Combination("alps, owl", {"method": "alps", "allocation": "owl"}, tuple(UNSTRUCTURED)),
)
QUICK = dict.fromkeys(("zpruner", "wanda", "sparsegpt", "admm"), ("50 %", "2:4"))
"""The cells that `make bench` measures: the whole table takes hours."""
