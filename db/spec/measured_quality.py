"""Measured perplexities of the methods, and the advice that is based on them.

A test compares the numbers with those of ``benchmarks/results/quality.md``.
"""

from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import OWN_MASK, MethodName, SolverName

MODEL, DENSE = "SmolLM2-135M-Instruct", 28.71
SPARSITIES = {"50 %": 0.5, "60 %": 0.6, "70 %": 0.7}
COLUMNS = (*SPARSITIES, "2:4", "4:8")
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
"""The perplexity on WikiText-2 by method, without a solver; values are in ``COLUMNS`` order."""
MIN_SPARSITY = 0.45
"""Lower sparsities were not measured, because the methods differ less there."""


def perplexity_of(method: MethodName, column: str) -> str:
    value = PERPLEXITY[method][COLUMNS.index(column)]
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def better_methods(spec: PruneSpec) -> list[str]:
    """Return a list with one sentence that names methods with a lower measured perplexity.

    The list is empty if the job sets ``solver``, if its ``method`` is itself a solver, if its
    pattern was not measured, or if its sparsity is below `MIN_SPARSITY`. For a sparsity that was
    not measured, the sentence gives the perplexities at the nearest measured one.
    """
    column = _column(spec)
    if column is None or spec.method in OWN_MASK or spec.solver is not SolverName.none:
        return []
    place = COLUMNS.index(column)
    best = min(OWN_MASK & PERPLEXITY.keys(), key=lambda name: PERPLEXITY[name][place])
    better = f"{best} {perplexity_of(best, column)} in several times that"
    if PERPLEXITY[MethodName.wanda][place] < PERPLEXITY[spec.method][place]:
        better = f"wanda {perplexity_of(MethodName.wanda, column)} in the same time, {better}"
    return [
        f"At {column} {spec.method} reached perplexity {perplexity_of(spec.method, column)} on "
        f"{MODEL} (dense {DENSE:.1f}), {better}. The order may differ on other models: a sweep "
        "over method shows it."
    ]


def _column(spec: PruneSpec) -> str | None:
    """Return the column of the job's pattern; without a pattern, that of the nearest sparsity.

    Return None if the pattern was not measured, or if the sparsity is below `MIN_SPARSITY`.
    """
    if spec.pattern is not None:
        return spec.pattern if spec.pattern in COLUMNS else None
    if spec.sparsity < MIN_SPARSITY:
        return None
    return min(SPARSITIES, key=lambda name: abs(SPARSITIES[name] - spec.sparsity))
