"""The names of a job's metrics, and a check that a gate bounds only those that it will have."""

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
    *(name for name in PERPLEXITIES if name != "perplexity_before_recovery"),
    "sparsity",
    "zeros",
    "weights",
    "coverage",
    "parameters",
    "parameters_removed",
    "fallbacks",
    "weights_bytes",
    "prune_seconds",
    "evaluate_seconds",
    "eval_overlap",
    "patterns.matrices",
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
"""The numbers in every job's ``result``, with dots between nested names.

Some are null or missing where they cannot be known: those of memory on a GPU without one, predicted
times without a known speed, and what is counted in text if the dataset has token ids.
"""
RECOVERY_METRICS = (
    "perplexity_before_recovery",
    "recovery.seconds",
    "recovery.steps",
    "recovery.best_step",
    "recovery.tokens",
    "recovery.held_out_loss_before",
    "recovery.held_out_loss_after",
)
PATTERN_METRICS = ("patterns.broken",)
STEP_METRICS = ("kept_step", "stopped_at_step")
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
    "recover": RECOVERY_METRICS,
    "pattern": PATTERN_METRICS,
    "steps": STEP_METRICS,
    "quantize": QUANTIZATION_METRICS,
    "rotate": ROTATION_METRICS,
    "binarize": BINARIZATION_METRICS,
    "rank_answers": RANKING_METRICS,
    "benchmark": BENCHMARK_METRICS,
}
"""The further ones of a job, by the field that it sets for them."""
METRICS_OF_VALUES = {"pgp.changed": ("method", "pgp"), "recovery.mask_moved": ("recover", "ast")}
"""Those that only one value of a field brings: the field and the value of each."""


def metrics_of(spec: PruneSpec) -> tuple[str, ...]:
    """Return the names of the metrics that a job of this specification will have."""
    wanted = [field for field in OPTIONAL_METRICS if getattr(spec, field)]
    if spec.steps == 1:  # such a job is not gradual
        wanted.remove("steps")
    optional = chain.from_iterable(OPTIONAL_METRICS[field] for field in wanted)
    values = {"method": spec.method, "recover": spec.recover and spec.recover.kind}
    special = (name for name, (field, value) in METRICS_OF_VALUES.items() if values[field] == value)
    return (*METRIC_NAMES, *task_metrics(spec.tasks or ()), *optional, *special)


def check_gate(gate: Gate | None, spec: PruneSpec) -> None:
    """Check that a job can pass its gate, as far as its specification shows.

    Raises:
        SpecRefusedError: the job will not have a metric that the gate bounds; the remedy lists all
            that it will have, and suggests one if its name is similar. Or two bounds contradict
            each other; or the gate has a confidence, and no bounded metric an interval.
    """
    if gate is None:
        return
    known = metrics_of(spec)
    for bound, limits in (("max", gate.max), ("min", gate.min)):
        for name in limits:
            if name not in known:
                reason = "the job will have no metric of this name"
                raise SpecRefusedError(
                    f"gate.{bound}", name, "unknown_figure", reason, _remedy(name, known)
                )
    _check_bounds(gate)
    _check_confidence(gate)


def _check_bounds(gate: Gate) -> None:
    for name in gate.max.keys() & gate.min:
        highest, lowest = gate.max[name], gate.min[name]
        if lowest > highest:
            reason = f"it has to be at least {lowest:g} and at most {highest:g}, which nothing is"
            remedy = f"Set {name} in min to {highest:g} or less, or leave one of the bounds out."
            raise SpecRefusedError("gate.min", name, UNFIT, reason, remedy)


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
    offered = f"The job will have {', '.join(known)}."
    if name.partition(".")[0] in TASK_METRICS:
        offered = f"Add the task to tasks. {offered}"
    if name in METRICS_OF_VALUES:
        field, value = METRICS_OF_VALUES[name]
        return f"Set {field} to {value}. {offered}"
    for field, names in OPTIONAL_METRICS.items():
        if name in names:
            return f"Set {field}. {offered}"
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}? {offered}" if close else offered
