"""The figures of a job that lists are sorted by, as far as they come from its metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from db.spec.quality_gate import metric_value
from db.spec.reduction import reduction


def sorted_metrics(metrics: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, float | None]:
    """Return the figures by the names of their columns; None where a job has none.

    ``accuracy`` is the mean over the tasks and suites that the job names. ``speed`` is how many
    times faster the pruned model generates text than the dense one.
    """
    accuracies = [metric_value(metrics, f"acc.{name}") for name in tasks]
    known = [share for share in accuracies if share is not None]
    return {
        "reduction": reduction(metrics),
        "perplexity": metric_value(metrics, "pruned_perplexity"),
        "perplexity_ratio": metric_value(metrics, "perplexity_ratio"),
        "accuracy": sum(known) / len(known) if known else None,
        "speed": metric_value(metrics, "speed.decode_ratio"),
        "weights_bytes": metric_value(metrics, "weights_bytes"),
    }
