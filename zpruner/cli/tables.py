"""Tables of jobs, sweeps and comparisons, and the text of an estimate."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zpruner.cli.durations import duration_text
from zpruner.cli.text_table import Table
from zpruner.client.models.jobs import JobFields
from zpruner.client.models.planning import Comparison, Estimate, Recovery, Sweep

SHOWN = (
    "sparsity",
    "dense_perplexity",
    "pruned_perplexity",
    "perplexity_ratio",
    "prune_seconds",
    "peak_memory_bytes",
)
"""The metrics that the table of a comparison shows; --json prints all metrics."""


def jobs_table(jobs: Sequence[JobFields]) -> Table:
    table = Table("id", "status", "progress", "model", "sparsity", "created")
    for job in jobs:
        fields = str(job.spec.get("model")), _share(job.spec)
        table.add_row(
            job.id, job.status, f"{job.progress.fraction:.0%}", *fields, f"{job.created_at:%F %T}"
        )
    return table


def _share(spec: Mapping[str, Any]) -> str:
    """Return how much a job removes: its sparsity, or its ratio if it removes whole units."""
    if (ratio := spec.get("ratio")) is not None:
        return f"ratio {ratio:.4g}"
    sparsity = spec.get("sparsity")
    return "" if sparsity is None else f"{sparsity:.4g}"


def estimate_text(found: Estimate) -> str:
    """Describe the predicted memory and time of a job."""
    revision = f" at {found.model.revision[:12]}" if found.model.revision else ""
    lines = [
        f"{found.model.name}{revision}: {found.model.parameters:,} parameters, "
        f"{found.model.blocks} blocks",
        f"  memory: {size_text(found.memory.host_bytes)}",
    ]
    if found.memory.device_bytes:
        lines.append(f"  on the GPU: {size_text(found.memory.device_bytes)}")
    if found.seconds is not None:
        usual, late = duration_text(found.seconds.p50), duration_text(found.seconds.p90)
        within = f"nine times in ten below {late}"
        if (alone := found.seconds_alone) is None:
            lines.append(f"  time: {usual}, {within}")
        else:
            free = duration_text(alone.p50)
            lines.append(f"  time: {usual} now, {within}; {free} when the machine is free")
    if (cost := found.cost) is not None:
        within = f"nine times in ten below {cost.p90:,.2f} {cost.currency}"
        lines.append(f"  cost: {cost.p50:,.2f} {cost.currency}, {within}")
    if found.basis is not None:
        lines.append(f"  based on: {found.basis.text}")
    if found.recovery is not None:
        lines.append(f"  of which recovery: {_recovery(found.recovery)}")
    lines.append(f"  files: {size_text(found.artifact_bytes)}")
    lines.append(f"  queue: {found.queue}" if found.fits else f"  does not fit: {found.refusal}")
    if found.identical_job_id is not None:
        lines.append(f"  {found.identical_job_id} has succeeded with the same fields")
    return "\n".join(lines)


def _recovery(part: Recovery) -> str:
    seconds = "" if part.seconds is None else f", {duration_text(part.seconds)}"
    scratch = f"{size_text(part.scratch_bytes)} of temporary files"
    return f"{part.steps:,} steps{seconds}, {size_text(part.host_bytes)}, {scratch}"


def figures_table(job: JobFields, metrics: Mapping[str, Any]) -> Table:
    """Return a table of the dense and the pruned model of a job, and of its time and memory."""
    table = Table("", "dense", "pruned", "ratio")
    removed, parameters = metrics.get("parameters_removed"), metrics.get("parameters")
    perplexity, before = metrics.get("dense_perplexity"), metrics.get("perplexity_before_recovery")
    pairs: tuple[tuple[str, Any, Any, Callable[[Any], str]], ...] = (
        ("perplexity", perplexity, metrics.get("pruned_perplexity"), _number),
        ("before recovery", perplexity, before, _number),
        ("parameters", parameters and parameters + (removed or 0), parameters, _count),
        ("weights", metrics.get("dense_weights_bytes"), metrics.get("weights_bytes"), size_text),
    )
    for name, dense, pruned, text in pairs:
        if pruned is not None:
            ratio = _number(pruned / dense) if dense else ""
            table.add_row(name, "" if dense is None else text(dense), text(pruned), ratio)
    amounts: tuple[tuple[str, Any, Callable[[Any], str]], ...] = (
        ("zeros", metrics.get("sparsity"), _percent),
        ("time", job.seconds, duration_text),
        ("pruning", metrics.get("prune_seconds"), duration_text),
        ("evaluation", metrics.get("evaluate_seconds"), duration_text),
        ("peak memory", metrics.get("peak_memory_bytes"), size_text),
        ("files", job.size_bytes, size_text),
    )
    for name, amount, text in amounts:
        if amount is not None:
            table.add_row(name, "", text(amount), "")
    return table


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def comparison_table(found: Comparison) -> Table:
    """Return a table with a column for each job.

    The rows are the jobs' ids, the fields in which the jobs differ, the jobs' statuses, and their
    metrics. A metric that differs from the first job's is followed by the difference.
    """
    table = Table("", *(str(number) for number, _ in enumerate(found.jobs, 1)))
    table.add_row("job", *(job.id for job in found.jobs))
    for name, values in found.differences.items():
        table.add_row(name, *map(_written, values))
    table.add_row("status", *(job.status for job in found.jobs))
    for name in SHOWN:
        cells = [_figure(job.metrics or {}, job.deltas, name) for job in found.jobs]
        if any(cells):
            table.add_row(name, *cells)
    return table


def sweep_table(sweep: Sweep) -> Table:
    """Return a table of a sweep's points; a star marks the best.

    With a gate, that is the one that the service names as the best of those that passed; without
    one, the points of the Pareto front.
    """
    has_gate = any(point.verdict != "none" for point in sweep.points)
    names = list(dict.fromkeys(name for point in sweep.points for name in point.varied))
    is_smaller = any(point.removed is not None for point in sweep.points)
    pruned = "parameters removed" if is_smaller else "sparsity measured"
    figures = (pruned, "perplexity", "ratio", "best")
    table = Table("job", *names, "status", *figures)
    for point in sweep.points:
        table.add_row(
            point.job_id,
            *(_written(point.varied.get(name, "")) for name in names),
            point.status if point.verdict == "none" else f"{point.status}, gate {point.verdict}",
            _number(point.removed if is_smaller else point.sparsity),
            *map(_number, (point.perplexity, point.perplexity_ratio)),
            "*" if (point.job_id == sweep.best if has_gate else point.on_front) else "",
        )
    return table


def counts_text(sweep: Sweep) -> str:
    """Return how many of a sweep's jobs have each status, as text."""
    return ", ".join(f"{count} {status}" for status, count in sweep.counts.items())


def _written(value: object) -> str:
    """Return a field's value as it is written on the command line."""
    if isinstance(value, dict) and value.keys() == {"name", "spread"}:
        return f"{value['name']}:{value['spread']:g}"
    return str(value)


def _figure(metrics: dict[str, Any], deltas: dict[str, float], name: str) -> str:
    value = metrics.get(name)
    if value is None:
        return ""
    delta = deltas.get(name)
    return _number(value) if not delta else f"{_number(value)} ({delta:+.4g})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if value < 10_000 else f"{value:,.0f}"


def size_text(size_bytes: int) -> str:
    """Return a size in MB or GB."""
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes < 1e10 else f"{size_bytes / 1e9:,.1f} GB"
