"""The metrics of a gradual job's steps."""

from collections.abc import Mapping, Sequence
from typing import Any

from db.spec.metrics import PERPLEXITIES
from db.spec.quality_gate import Gate, gate_failures
from worker.jobs.increments.increment_log import FinishedIncrement

_OF_A_STEP = (
    *("sparsity", "zeros", "parameters", "parameters_removed"),
    *("pruned_perplexity", "perplexity_ratio", "perplexity_before_recovery"),
)
_SUMS = ("prune_seconds", "evaluate_seconds", "predicted_seconds")
_PEAKS = (
    *("peak_memory_bytes", "predicted_peak_memory_bytes"),
    *("device_peak_memory_bytes", "predicted_device_peak_memory_bytes"),
)


def violated_bounds(gate: Gate | None, metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the bounds of a gate that the model of a step violates, as sentences.

    Only upper bounds of perplexities count: other metrics, such as the sparsity, do not get worse
    from step to step, or are measured at the end.
    """
    if gate is None:
        return ()
    bounds = {
        name: limit
        for name, limit in gate.max.items()
        if name in PERPLEXITIES and metrics.get(name) is not None
    }
    if not bounds:
        return ()
    judged = Gate(max=bounds, confidence=gate.confidence)
    return tuple(str(failure) for failure in gate_failures(judged, metrics))


def step_result(finished: FinishedIncrement) -> dict[str, Any]:
    """Return the measurements of one step, ready for JSON."""
    metrics, increment = finished.model.metrics, finished.model.increment
    recovery = metrics.get("recovery", {})
    seconds = (*(metrics[name] for name in _SUMS[:2]), recovery.get("seconds", 0.0))
    trained = {"held_out_loss": recovery["held_out_loss_after"]} if recovery else {}
    return {
        "step": increment.number,
        **{name: metrics[name] for name in _OF_A_STEP if name in metrics},
        **trained,
        "seconds": sum(seconds),
        "gate_failures": list(finished.failures),
    }


def gradual_metrics(
    finished: Sequence[FinishedIncrement], kept: FinishedIncrement
) -> dict[str, Any]:
    """Return the metrics of a gradual job: those of the kept model, and the results of all steps.

    Durations are those of all steps, and peaks of memory the highest of any step. The steps and
    tokens of a recovery are those of all trainings of the kept model.
    """
    each = [increment.model.metrics for increment in finished]
    metrics = kept.model.metrics | {"dense_loss_known": each[0]["dense_loss_known"]}
    for name in _SUMS:
        values = [step[name] for step in each]
        metrics[name] = None if None in values else sum(values)
    for name in _PEAKS:
        if name in metrics:
            metrics[name] = max(step[name] for step in each)
    if "recovery" in metrics:
        metrics["recovery"] = _recovery([step["recovery"] for step in each], kept.number)
    stopped = next((increment.number for increment in finished if increment.failures), None)
    return metrics | {
        "steps": [step_result(increment) for increment in finished],
        "kept_step": kept.number,
        "stopped_at_step": stopped,
    }


def _recovery(each: Sequence[dict[str, Any]], kept: int) -> dict[str, Any]:
    """Return the last of the first ``kept`` trainings, with the work of all of them."""
    work = {name: sum(part[name] for part in each[:kept]) for name in ("steps", "tokens")}
    return each[kept - 1] | work | {"seconds": sum(part["seconds"] for part in each)}


def stopped_warning(finished: Sequence[FinishedIncrement], kept: FinishedIncrement) -> list[str]:
    """Return a sentence that says why the gate has stopped a job; none if it has not."""
    stopped = next((increment for increment in finished if increment.failures), None)
    if stopped is None:
        return []
    reason, total = " and ".join(map(_in_words, stopped.failures)), stopped.model.increment.total
    written = f"This is the model of step {kept.number}."
    return [f"The gate stopped the job at step {stopped.number} of {total}: {reason}. {written}"]


def _in_words(failure: str) -> str:
    """Write the metric of a violated bound in words: "perplexity ratio is 2, wanted at most 1"."""
    metric, _, rest = failure.partition(" ")
    group, _, name = metric.partition(".")
    return " ".join([group.replace("_", " "), *(["of", name] if name else []), rest])
