"""What was measured of methods, presets and mixes; advice to callers is based on it.

A test compares the figures with those of ``benchmarks/results`` and ``docs/methods/recovery.md``.
"""

from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName
from db.spec.pruning.presets import PresetName

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
WITH_OWL: dict[MethodName, tuple[float, ...]] = {
    MethodName.sparsegpt: (45.22, 63.86, 102.21),
    MethodName.admm: (42.56, 56.65, 86.30),
    MethodName.alps: (42.38, 57.03, 85.70),
}
"""The same with the allocation ``owl``, which no N:M pattern goes with."""
OF_PRESET: dict[PresetName, tuple[float, ...]] = {
    PresetName.fast: PERPLEXITY[MethodName.wanda],
    PresetName.balanced: (40.81, 53.78, 74.47, 55.79),
}
"""The same by preset, on as many calibration tokens; 4:8 was not measured with ``balanced``."""
FORWARD_PASSES = {PresetName.fast: 1.08, PresetName.balanced: 7.68}
"""The time of a job by preset, in forward passes of its calibration text."""
WORST_OF_ONE_TEXT, WORST_OF_HALF_GENERATED = 2.21, 1.57
"""The largest ratio of perplexities on six unseen texts, of a model at 50 % that was calibrated and
recovered on one text, and of one that was so on the same and as much text that it wrote itself."""
FIRST_WRITING = 1.24
"""How many times as long a job takes in which the model writes that text, which is then stored."""
MIN_SPARSITY = 0.45
"""Lower sparsities were not measured, because the methods differ less there."""


def perplexity_of(method: MethodName, column: str) -> str:
    return written(PERPLEXITY[method][COLUMNS.index(column)])


def written(perplexity: float) -> str:
    return f"{perplexity:,.0f}" if perplexity >= 1000 else f"{perplexity:.1f}"


def column_of(spec: PruneSpec) -> str | None:
    """Return the column of the job's pattern; without a pattern, that of the nearest sparsity.

    Return None if the pattern was not measured, or if the sparsity is below `MIN_SPARSITY`.
    """
    if spec.pattern is not None:
        return spec.pattern if spec.pattern in COLUMNS else None
    if spec.sparsity < MIN_SPARSITY:
        return None
    return min(SPARSITIES, key=lambda name: abs(SPARSITIES[name] - spec.sparsity))
