"""The command ``zpruner prune``."""

import json
import logging
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from db.core import redaction
from db.core.errors import JobError
from db.core.states import Phase
from db.files.sealed_folder import seal
from db.spec.field_errors import reason_of, remedy_of, shown_value
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.patterns import implied_sparsity
from db.startup import checks
from db.startup.read_settings import read_settings
from worker.attempts.engine import prune
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources
from worker.jobs.signature import SigningKeyError, check_signing_key
from worker.pruning.base.generators import run_to_end
from worker.settings import WorkerSettings
from worker.standalone.arguments import check_arguments
from worker.standalone.exits import EXIT_FAILED, EXIT_USAGE, errors_printed, stderr
from worker.standalone.partial_output import partial_folder
from zpruner.cli.durations import duration_text
from zpruner.cli.field_options import with_fields
from zpruner.cli.job_command import JobCommand
from zpruner.cli.prune_options import (
    PRUNE_FIELDS,
    DeviceOption,
    DevicesOption,
    MemoryOption,
    OutArgument,
    PlanOption,
)

_INTERRUPTED = "interrupted; run the same command again to resume after the last finished block"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(name="prune", cls=JobCommand)
@with_fields(*PRUNE_FIELDS)
def command(
    fields: dict[str, Any],
    out: OutArgument,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    memory_budget_bytes: MemoryOption = None,
    plan: PlanOption = False,
) -> None:
    """Prune a model into a folder; the last line of output is a JSON object of metrics."""
    is_implied = implied_sparsity(fields.get("method"), fields.get("pattern")) is not None
    if not fields.keys() & {"sparsity", "pattern", "binarize"} and not is_implied:
        raise typer.BadParameter("set it, or --pattern such as 2:4", param_hint="--sparsity")
    with (
        errors_printed(JobError, SigningKeyError, MemoryError, interrupted=_INTERRUPTED),
        _own_errors_printed(),
        checks.exit_on_error("zpruner prune"),
    ):
        settings = read_settings(WorkerSettings)
        checks.require([check_signing_key(settings.signing_key_file)])
        resources = Resources(
            task_roots=settings.task_roots,
            device=device,
            devices=devices,
            memory_budget_bytes=memory_budget_bytes,
            speeds=settings.speed_file,
            signing_key=settings.signing_key_file,
        )
        spec = PruneSpec(**fields)
        target = None if plan else Path(os.path.abspath(out))
        check_arguments(spec, target, resources)
        output = _prune_into(spec, target, resources) if target else _forecast(spec, resources)
    sys.stdout.write(json.dumps(output) + "\n")


@contextmanager
def _own_errors_printed() -> Iterator[None]:
    """Print the errors of fields, and that of a GPU's memory, as `errors_printed` does others."""
    try:
        yield
    except ValidationError as error:
        for detail in error.errors():
            path = [str(part) for part in detail["loc"]]
            field = f"{'.'.join(path)}{shown_value(detail)}"
            text = f"{reason_of(detail)}. {remedy_of(detail, path)}".rstrip()
            stderr.print(f"error: {field}: {text}", markup=False)
        stderr.print("zpruner prune --help describes all options", markup=False)
        raise typer.Exit(EXIT_USAGE) from None
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch.OutOfMemoryError, of a GPU
            raise
        stderr.print(f"error: {error}", markup=False)
        raise typer.Exit(EXIT_FAILED) from None


def _forecast(spec: PruneSpec, resources: Resources) -> dict[str, Any]:
    _silence_libraries()
    plan: dict[str, Any] = import_module("worker.estimates.forecast").forecast(spec, resources)
    if "seconds_alone" in plan:
        now, alone = (duration_text(plan[name]) for name in ("seconds", "seconds_alone"))
        stderr.print(f"the machine is busy: {now} now; {alone} when it is free", markup=False)
    return plan


def _prune_into(spec: PruneSpec, out: Path, resources: Resources) -> dict[str, Any]:
    """Prune into a hidden folder and rename it at the end, so that ``out`` is never incomplete."""
    with partial_folder(out) as staged:
        _silence_libraries()
        result = _follow(prune(spec, staged, resources))
        seal(staged, result.digests)
    for warning in result.warnings:
        stderr.print(f"warning: {warning}", markup=False)
    return result.metrics


def _silence_libraries() -> None:
    """Turn off the libraries' progress bars, which would mix with the command's; imports torch."""
    logs = import_module("transformers.utils.logging")
    logs.disable_progress_bar()
    logs.set_verbosity_error()


def _follow(steps: Generator[JobProgress, None, JobResult]) -> JobResult:
    """Run the work, show its progress, and return its result."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    phase: Phase | None = None
    with Progress(*columns, console=stderr) as progress:
        task = progress.add_task("starting", total=1.0)

        def show(step: JobProgress) -> None:
            nonlocal phase
            if step.phase is phase and not step.has_finished_work:
                return
            phase = step.phase
            kept = {"block": step.resumed_from_block, "step": step.resumed_from_step}
            for kind, done in kept.items():
                if done is not None:
                    progress.console.print(f"resuming after {kind} {done} of an earlier run")
            progress.update(task, completed=step.fraction, description=_description(step))

        result = run_to_end(steps, show)
        progress.update(task, completed=1.0, description="done")
        return result


def _description(step: JobProgress) -> str:
    if (done := step.recovery) is not None:
        return f"{step.phase}, {done['stage']}, step {done['step']} of {done['steps']}"
    if step.block is None:
        return step.phase
    index, total, _ = step.block
    return f"{step.phase}, block {index + 1} of {total}"


def main() -> Any:
    redaction.install()
    logging.basicConfig(level=logging.WARNING)
    app(prog_name="zpruner prune")


if __name__ == "__main__":
    main()
