"""Human-readable text about one job."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from zpruner.cli.durations import duration_text
from zpruner.cli.tables import figures_table
from zpruner.cli.text_table import Table
from zpruner.client.models.jobs import Event, GateFailure, JobFields, Preview, Problem, Result
from zpruner.client.models.results import CancelledJobs


@contextmanager
def progress_display(console: Console) -> Iterator[Callable[[JobFields], None]]:
    """Yield a function that shows a job's progress: a bar on a terminal, lines elsewhere.

    It also prints the warnings that the job gets from the second call on.
    """
    warn = _NewWarnings(console)
    if not console.is_terminal:
        lines = _Lines(console)

        def print_lines(job: JobFields) -> None:
            lines(job)
            warn(job)

        yield print_lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    left = TextColumn("{task.fields[left]}")
    with Progress(*columns, TimeElapsedColumn(), left, console=console) as bar:
        task = bar.add_task("queued", total=1.0, left="")

        def show(job: JobFields) -> None:
            done = job.progress.fraction
            bar.update(task, description=stage(job), completed=done, left=time_left(job))
            warn(job)

        yield show


@contextmanager
def bytes_display(console: Console, what: str, total: float) -> Iterator[Callable[[float], None]]:
    """Yield a function that is called with the number of bytes done since the last call.

    On a terminal, a bar shows the bytes done so far; elsewhere nothing is printed.
    """
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


class _NewWarnings:
    """Prints the warnings that a job gets while it is followed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known: set[str] | None = None

    def __call__(self, job: JobFields) -> None:
        known = set(job.warnings) if self._known is None else self._known
        for warning in job.warnings:
            if warning not in known:
                self._console.print(f"warning: {warning}", markup=False, highlight=False)
        self._known = {*known, *job.warnings}


class _Lines:
    """Prints a line whenever the stage changes."""

    def __init__(self, console: Console) -> None:
        self._console, self._last = console, ""

    def __call__(self, job: JobFields) -> None:
        if (now := stage(job)) != self._last:
            self._last = now
            self._console.print(f"{job.progress.fraction:4.0%} {now}", markup=False)


def stage(job: JobFields) -> str:
    """Return the stage of a job, such as ``pruning 7/32`` or ``queued, number 3``."""
    block = job.progress.block
    done = f"{block.index + 1}/{block.total}" if block and job.phase != "recovering" else ""
    if job.status == "queued" and job.not_before is not None and job.not_before > datetime.now(UTC):
        return f"queued, not before {job.not_before:%F %T} UTC"
    if job.status == "queued" and job.queue_position is not None:
        return f"queued, number {job.queue_position}"
    if job.status == "paused" and done:
        return f"paused at {done}"
    if job.is_final or job.phase is None:
        return f"{job.status}, sending the result" if job.is_being_delivered else job.status
    return f"{job.phase} {done}".rstrip()


def time_left(job: JobFields) -> str:
    """Return the remaining time of a job as text; empty if it is unknown."""
    if (eta := job.progress.eta_seconds) is None:
        return ""
    usual, late = duration_text(eta.p50), duration_text(eta.p90)
    without = f", without {' and '.join(eta.untimed)}" if eta.untimed else ""
    return f"about {usual} left, likely below {late}{without}"


def preview_text(preview: Preview) -> str:
    """Describe a job that would be accepted."""
    lines = ["would be accepted", *_fields(preview.spec)]
    if preview.identical_job_id is not None:
        lines.append(f"  {preview.identical_job_id} has succeeded with the same fields")
    return "\n".join(lines)


def event_line(event: Event) -> str:
    """Describe an event in one line."""
    parts = [str(event.seq), f"{event.at:%F %T}", event.kind, event.phase or event.status]
    if place := event.data.get("step"):
        parts.append(f"step {place['number']}/{place['total']}")
    if step := event.data.get("recovery"):
        parts.append(f"{step['stage']} {step['step']}/{step['steps']}")
    elif block := event.data.get("block"):
        parts.append(f"{block['index'] + 1}/{block['total']}")
    elif target := event.data.get("target"):
        parts.append(str(target))
    return " ".join(parts)


def result_text(result: Result) -> str:
    """Describe a result: its warnings, its metrics, then its files."""
    lines = [f"warning: {warning}" for warning in result.warnings]
    lines += [f"{name} = {value}" for name, value in result.metrics.items() if _is_figure(value)]
    lines += _texts(result.metrics)
    lines += _candidates(result.metrics)
    lines += _tasks(result.metrics)
    lines += _steps(result.metrics)
    lines += _speed(result.metrics)
    lines += [f"{artifact.name} ({artifact.size_bytes:,} bytes)" for artifact in result.artifacts]
    return "\n".join(lines)


def summary(job: JobFields) -> list[str | Table]:
    """Describe a job in a few lines, and what it has measured in a table."""
    lines = [f"{job.id} {stage(job)} {job.progress.fraction:.0%}", *_fields(job.spec)]
    if job.lineage is not None:
        lines.append(f"  model made by {', '.join(job.lineage.jobs)} from {job.lineage.model}")
    lines += [f"  {left}"] if (left := time_left(job)) else []
    if job.result is None:
        return ["\n".join([*lines, *_ending(job)])]
    return ["\n".join(lines), figures_table(job, job.result), *_ending(job)]


def _ending(job: JobFields) -> list[str]:
    """Describe what a job has measured beside the figures of its table, and how it ended."""
    lines = [f"  {sentence}" for sentence in _texts(job.result or {})]
    lines += [f"  {sentence}" for sentence in _candidates(job.result or {})]
    lines += [f"  {sentence}" for sentence in _tasks(job.result or {})]
    lines += [f"  {sentence}" for sentence in _speed(job.result or {})]
    lines += [f"  warning: {warning}" for warning in job.warnings]
    if job.cost is not None:
        lines.append(f"  cost: {job.cost.amount:,.2f} {job.cost.currency}")
    if job.verdict != "none":
        lines.append(f"  gate: {job.verdict}")
    lines += [f"    {failure_text(failure)}" for failure in job.gate_failures]
    lines += [
        f"  output {output.index}: {output.state} {output.url or ''}".rstrip()
        for output in job.outputs
    ]
    if (postponed := job.postponed) is not None:
        lines.append(f"  postponed: attempt {postponed.attempt} of {postponed.attempts} follows")
        lines += _reason(postponed.error)
    lines += _reason(job.error)
    if job.status == "succeeded" and job.size_bytes:
        lines.append(f"  zpruner download {job.id} FOLDER writes its files")
    return lines


def cancelled_text(done: CancelledJobs) -> str:
    """Describe what became of each of several jobs, one per line."""
    lines = [f"{job_id} cancelled" for job_id in done.cancelled]
    lines += [f"{job_id} had ended" for job_id in done.ended]
    lines += [f"{job_id} does not exist" for job_id in done.missing]
    return "\n".join(lines) or "no job matches"


def failure_text(failure: GateFailure) -> str:
    """Describe a violated bound of a quality gate."""
    limit = {"max": "at most", "min": "at least"}.get(failure.bound, failure.bound)
    got = "not measured" if failure.got is None else f"{failure.got:g}"
    if (interval := failure.interval) is not None:
        share = f"{100 * interval.confidence:g} %"
        got += f" ({share} interval {interval.low:.4g} to {interval.high:.4g})"
    return f"{failure.metric} = {got}, wanted {limit} {failure.wanted:g}"


def _reason(error: Problem | None) -> list[str]:
    """Describe a problem and its remedy; none if there is no problem."""
    if error is None:
        return []
    is_named = not error.hint or error.hint in error.detail
    return [f"  {error.code}: {error.detail}", *([] if is_named else [f"  {error.hint}"])]


def _fields(spec: dict[str, Any]) -> list[str]:
    if spec.get("expect"):
        spec = spec | {"expect": f"{len(spec['expect'])} inputs and versions"}
    return [f"  {name}: {value}" for name, value in spec.items() if value not in (None, [], {})]


def _texts(metrics: dict[str, Any]) -> Iterator[str]:
    """Describe in one line how far the pruned model is from the dense one on each text."""
    groups = (metrics.get(name, {}) for name in ("text_ratio", "kl_stderr", "agreement"))
    ratios, errors, agreement = groups
    for text, kl in metrics.get("kl", {}).items():
        error = f" ± {errors[text]:.2g}" if errors.get(text) is not None else ""
        same = f"{100 * agreement[text]:.3g} % same token"
        yield f"{text}: {ratios[text]:.4g} times the dense perplexity, KL {kl:.4g}{error}, {same}"


def _candidates(metrics: dict[str, Any]) -> Iterator[str]:
    """Describe each of the methods that a job has compared in one line; none for other jobs."""
    for method, own in (metrics.get("target") or {}).get("candidates", {}).items():
        kept = ", kept" if own["kept"] else ""
        figures = f"perplexity {own['perplexity']:.4g}, {duration_text(own['seconds'])}"
        yield f"candidate {method}: size {own['size']:,}, {figures}{kept}"


def _tasks(metrics: dict[str, Any]) -> Iterator[str]:
    """Describe each zero-shot task in one line; none for other jobs."""
    errors, dense, items = (metrics.get(name, {}) for name in ("acc_stderr", "dense_acc", "items"))
    for task, accuracy in metrics.get("acc", {}).items():
        error = f" ± {errors[task]:.4g}" if task in errors else ""
        known = f" (dense {dense[task]:.4g})" if task in dense else ""
        of = f", {items[task]:,} items" if task in items else ""
        yield f"{task}: accuracy {accuracy:.4g}{error}{known}{of}"


def _steps(metrics: dict[str, Any]) -> list[str]:
    """Describe each step of a gradual job in one line; none for other jobs."""
    return [_step_text(step) for step in metrics.get("steps", [])]


def _step_text(step: dict[str, Any]) -> str:
    perplexity = step["pruned_perplexity"]
    parts = (
        f"sparsity {step['sparsity']:.4g}",
        f"{step['parameters']:,} parameters",
        "perplexity not measured" if perplexity is None else f"perplexity {perplexity:.4g}",
        *step["gate_failures"],
    )
    return f"step {step['step']}: {', '.join(parts)}"


def _speed(metrics: dict[str, Any]) -> list[str]:
    """Return the sentences of a benchmark; none for a job without one."""
    sentences: list[str] = (metrics.get("speed") or {}).get("summary", [])
    return sentences


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float | str)
