"""The names of a job's metrics, and a check that a gate uses no other names."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import chain

from db.core.errors import SpecRefusedError
from db.spec.combinations.unfit import UNFIT
from db.spec.evaluation.rank_answers import ESTIMATE, RANKING_METRICS
from db.spec.formats.binarization import BINARIZATION_METRICS
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from db.spec.zero_shot import ESTIMATES, TASK_METRICS, task_metrics

PERPLEXITIES = (
    "perplexity_ratio",
    "pruned_perplexity",
    "dense_perplexity",
    "perplexity_before_recovery",
)
"""The metrics with an interval in ``intervals``."""
METRIC_NAMES = (
    *PERPLEXITIES,
    "sparsity",
    "zeros",
    "weights",
    "coverage",
    "parameters",
    "parameters_removed",
    "pgp.changed",
    "fallbacks",
    "weights_bytes",
    "prune_seconds",
    "evaluate_seconds",
    "recovery.seconds",
    "recovery.steps",
    "recovery.best_step",
    "recovery.tokens",
    "recovery.held_out_loss_before",
    "recovery.held_out_loss_after",
    "recovery.mask_moved",
    "eval_overlap",
    "compact_size_bytes",
    "patterns.matrices",
    "patterns.broken",
    "predicted_seconds",
    "waiting_share",
    "peak_memory_bytes",
    "predicted_peak_memory_bytes",
    "device_peak_memory_bytes",
    "predicted_device_peak_memory_bytes",
    "protocol.tokens",
    "protocol.windows",
    "protocol.window",
    "protocol.stride",
    "protocol.documents",
)
"""The names of the numbers in a job's ``result``, with dots between nested names."""
QUANTIZATION_METRICS = (
    "quantization.bits",
    "quantization.group_size",
    "quantization.bytes",
    "quantization.bits_per_weight",
    "quantization.error",
    "quantization.fallbacks",
)
ROTATION_METRICS = ("rotation.residual", "rotation.values", "rotation.blocks")
BENCHMARK_METRICS = (
    "speed.prefill_ratio",
    "speed.decode_ratio",
    "speed.memory_ratio",
    "weights_bytes_ratio",
    "speed.dense_prefill_tokens_per_second",
    "speed.pruned_prefill_tokens_per_second",
    "speed.dense_decode_tokens_per_second",
    "speed.pruned_decode_tokens_per_second",
    "speed.dense_memory_bytes",
    "speed.pruned_memory_bytes",
    "speed.confidence",
)
OPTIONAL_METRICS: Mapping[str, tuple[str, ...]] = {
    "quantize": QUANTIZATION_METRICS,
    "rotate": ROTATION_METRICS,
    "binarize": BINARIZATION_METRICS,
    "rank_answers": RANKING_METRICS,
    "benchmark": BENCHMARK_METRICS,
}
"""The further ones of a job, by the field that it sets for them."""


def check_gate(gate: Gate | None, spec: PruneSpec) -> None:
    """Check that a gate uses existing metrics only; a bound on any other metric would always fail.

    Raises:
        SpecRefusedError: the job measures no such metric; the remedy lists all metrics, and
            suggests one if its name is similar. Or the gate has a confidence, and no bounded metric
            an interval.
    """
    if gate is None:
        return
    measured = (names for field, names in OPTIONAL_METRICS.items() if getattr(spec, field))
    known = [*METRIC_NAMES, *task_metrics(spec.tasks or ()), *chain(*measured)]
    for bound, limits in (("max", gate.max), ("min", gate.min)):
        for name in limits:
            if name not in known:
                reason = "the job measures no metric of this name"
                raise SpecRefusedError(
                    f"gate.{bound}", name, "unknown_figure", reason, _remedy(name, known)
                )
    _check_confidence(gate)


def _check_confidence(gate: Gate) -> None:
    bounded = {name.partition(".")[0] for name in (*gate.max, *gate.min)}
    if gate.confidence is not None and bounded.isdisjoint(_WITH_INTERVALS):
        raise SpecRefusedError(
            "gate.confidence",
            gate.confidence,
            UNFIT,
            "the gate bounds no accuracy and no perplexity, and no other metric has an interval",
            "Bound acc or acc_drop of a task or perplexity_ratio, or leave confidence out.",
        )


_WITH_INTERVALS = {*ESTIMATES, *PERPLEXITIES, ESTIMATE}


def _remedy(name: str, known: Sequence[str]) -> str:
    offered = f"The metrics are {', '.join(known)}."
    if name.partition(".")[0] in TASK_METRICS:
        offered = f"Add the task to tasks. {offered}"
    for field, names in OPTIONAL_METRICS.items():
        if name in names:
            return f"Set {field}. {offered}"
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}? {offered}" if close else offered
