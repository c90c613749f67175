"""The names of a job's metrics, and a check that a gate bounds only those that it will have."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from db.core.errors import SpecRefusedError
from db.spec.descriptions.option import UNFIT
from db.spec.options.tasks import TASK_METRICS
from db.spec.options.texts.evaluation import WORST
from db.spec.prune_spec import OPTIONS, PruneSpec
from db.spec.quality_gate import Gate

PERPLEXITIES = (
    "perplexity_ratio",
    "pruned_perplexity",
    "dense_perplexity",
    "perplexity_before_recovery",
)
"""The metrics with an interval in ``intervals``."""
METRIC_NAMES = (
    *(name for name in PERPLEXITIES if name != "perplexity_before_recovery"),
    "reduction",
    "sparsity",
    "zeros",
    "weights",
    "coverage",
    *WORST,
    "parameters",
    "parameters_removed",
    "fallbacks",
    "weights_bytes",
    "dense_weights_bytes",
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
OPTIONAL_METRICS: Mapping[str, tuple[str, ...]] = {
    field: names for option in OPTIONS for field, names in option.metrics.items()
}
"""The further ones of a job, by the field that it sets for them."""
METRICS_OF_VALUES: Mapping[str, tuple[str, str]] = {
    name: condition for option in OPTIONS for name, condition in option.metrics_of_values.items()
}
"""Those that only one value of a field brings: the field and the value of each."""


def metrics_of(spec: PruneSpec) -> tuple[str, ...]:
    """Return the names of the metrics that a job of this specification will have."""
    named = (name for option in OPTIONS for name in option.named_metrics(spec))
    optional = (
        name
        for option in OPTIONS
        for field, names in option.metrics.items()
        if option.uses(spec, field)
        for name in names
    )
    special = (
        name for name, condition in METRICS_OF_VALUES.items() if _has_value(spec, *condition)
    )
    return (*METRIC_NAMES, *named, *optional, *special)


def _has_value(spec: PruneSpec, field: str, value: str) -> bool:
    actual = getattr(spec, field)
    return bool(getattr(actual, "kind", actual) == value)


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
            "the gate bounds no metric that has an interval",
            "Bound perplexity_ratio, kl of a text, or acc or acc_drop of a task, or leave "
            "confidence out.",
        )


_WITH_INTERVALS = {*PERPLEXITIES, *(name for option in OPTIONS for name in option.estimates)}


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
