"""What the methods came to when they were measured, to advise on them.

The figures are those of ``benchmarks/results/quality.md``; a test compares them.
"""

from db.spec.prune_spec import OWN_MASK, MethodName, PruneSpec, SolverName

MODEL, DENSE = "SmolLM2-135M-Instruct", 28.71
SHARES = {"50 %": 0.5, "60 %": 0.6, "70 %": 0.7}
COLUMNS = (*SHARES, "2:4", "4:8")
PERPLEXITY: dict[MethodName, tuple[float, ...]] = {
    MethodName.zpruner: (67.71, 184.96, 1223.74, 203.88, 114.92),
    MethodName.magnitude: (531.06, 2912.38, 54779.55, 1367.45, 778.10),
    MethodName.wanda: (61.43, 147.41, 860.23, 188.20, 102.77),
    MethodName.ria: (64.39, 174.95, 1017.09, 187.88, 107.97),
    MethodName.gblm: (61.42, 148.93, 725.54, 179.06, 100.19),
    MethodName.sparsegpt: (45.33, 66.07, 110.75, 69.37, 58.56),
    MethodName.admm: (42.88, 58.49, 90.83, 62.43, 52.31),
    MethodName.alps: (42.70, 59.53, 90.98, 62.34, 53.10),
}
"""Of each method alone, in the order of ``COLUMNS``: on WikiText-2, on its model."""
LEAST = 0.45
"""Nothing was measured at lower sparsities, where the methods differ less."""


def measured(method: MethodName, column: str) -> str:
    """Return a method's perplexity as one writes it."""
    value = PERPLEXITY[method][COLUMNS.index(column)]
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def better_methods(spec: PruneSpec) -> list[str]:
    """Return which methods came to a lower perplexity than the job's, in words for its owner.

    Of a job with a solver nothing is said: its choice is made.
    """
    column = _column(spec)
    if column is None or spec.method in OWN_MASK or spec.solver is not SolverName.none:
        return []
    place = COLUMNS.index(column)
    best = min(OWN_MASK, key=lambda name: PERPLEXITY[name][place])
    others = f"{best} to {measured(best, column)} in several times that time"
    if PERPLEXITY[MethodName.wanda][place] < PERPLEXITY[spec.method][place]:
        others = f"wanda to {measured(MethodName.wanda, column)} in the same time, {others}"
    return [
        f"At {column} {spec.method} came to perplexity {measured(spec.method, column)} on {MODEL} "
        f"(dense {DENSE:.1f}), {others}. Other models may rank them otherwise: a sweep over method "
        "shows it."
    ]


def _column(spec: PruneSpec) -> str | None:
    """Return the measurement that is nearest to what the job asks for."""
    if spec.pattern is not None:
        return spec.pattern if spec.pattern in COLUMNS else None
    if spec.sparsity < LEAST:
        return None
    return min(SHARES, key=lambda name: abs(SHARES[name] - spec.sparsity))
