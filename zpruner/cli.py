"""The command line. Answers go to standard output, everything for people to standard error."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zpruner import keyring, operations, planning, switchboard
from zpruner.filters import Filters
from zpruner.programs import become
from zpruner.requests import request_of
from zpruner.screen import event_line, jobs_table, result_text, summary
from zpruner.terminal import (
    follow,
    people,
    print_json,
    say,
    say_facets,
    say_preview,
    service,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
JobArgument = Annotated[str, typer.Argument(help="A job's id.")]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="Seconds to wait at most.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(operations.app)
app.add_typer(keyring.app, name="keys")
app.add_typer(switchboard.app, name="webhooks")
app.command()(keyring.me)
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.callback()
def root() -> None:
    """Prune large language models as jobs. ZPRUNER_URL names the service."""


@app.command()
def submit(
    model: Annotated[str, typer.Argument(help="A Hugging Face id, or local:FOLDER.")],
    sparsity: Annotated[float, typer.Option(help="Share of weights to remove.")],
    dataset: Annotated[str, typer.Option(help="Calibration text.")],
    revision: str | None = None,
    method: str | None = None,
    scope: str | None = None,
    pattern: str | None = None,
    solver: str | None = None,
    correction: float | None = None,
    damping: float | None = None,
    allocation: Annotated[
        str | None, typer.Option(help="uniform, owl, or the sparsity of each block: 0.45,0.5,0.55.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Glob of layers to leave alone.")] = None,
    propagation: str | None = None,
    samples: int | None = None,
    seq_len: int | None = None,
    seed: int | None = None,
    dtype: str | None = None,
    eval_dataset: str | None = None,
    eval_samples: int | None = None,
    name: str | None = None,
    queue: Annotated[str | None, typer.Option(help="A device class: which workers.")] = None,
    priority: Annotated[int | None, typer.Option(help="-10 to 10; higher is sooner.")] = None,
    gate_max: Annotated[
        list[str] | None, typer.Option(help="A figure's upper bound: perplexity_ratio=1.1.")
    ] = None,
    gate_min: Annotated[
        list[str] | None, typer.Option(help="A figure's lower bound: sparsity=0.5.")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="Expire it then: 2027-01-05T18:00:00Z.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same submit with the same key makes one job.")
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Take an identical job that has succeeded instead.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; submit nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job until it ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job; its id is printed."""
    # Read before anything else is bound: exactly the parameters above.
    spec = request_of(locals())
    with service() as client:
        if dry_run:
            spec.pop("idempotency_key", None)
            say_preview(client.jobs.preview(**spec), as_json)
            return
        job = client.jobs.create(**spec)
        for warning in job.warnings:
            people.print(f"warning: {warning}", markup=False)
        if wait:
            people.print(job.id, markup=False)
            follow(client, job.id, None, as_json)
        say(job, as_json, lambda: job.id)


@app.command(name="wait")
def wait_for(
    job_id: JobArgument, timeout: TimeoutOption = None, as_json: JsonOption = False
) -> None:
    """Follow a job until it ends; the exit code says how it did."""
    with service() as client:
        follow(client, job_id, timeout, as_json)


@app.command(name="ls")
def list_jobs(
    status: Annotated[list[str] | None, typer.Option(help="One or more of these.")] = None,
    model: str | None = None,
    method: str | None = None,
    created_after: Annotated[str | None, typer.Option(help="Such as 2026-01-05T09:30:00Z.")] = None,
    created_before: str | None = None,
    parent: Annotated[str | None, typer.Option(help="Reruns of this job.")] = None,
    sweep: Annotated[str | None, typer.Option(help="Points of this sweep.")] = None,
    verdict: Annotated[str | None, typer.Option(help="pass, fail or none.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="name=value; all that are given.")
    ] = None,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Part of a name.")] = None,
    limit: int = 20,
    oldest: Annotated[bool, typer.Option("--oldest", help="Oldest first.")] = False,
    facets: Annotated[bool, typer.Option("--facets", help="Count instead of listing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    filters: Filters = {"status": status, "model": model, "method": method, "parent": parent}
    filters |= {"sweep": sweep, "verdict": verdict}
    filters["labels"] = dict(_label(one) for one in label or ())
    filters |= {"created_after": created_after, "created_before": created_before, "q": q}
    with service() as client:
        if facets:
            say_facets(client.jobs.facets(**filters), as_json)
            return
        jobs = client.jobs.list(limit=limit, sort="created" if oldest else "-created", **filters)
    if as_json:
        print_json([job.model_dump(mode="json") for job in jobs])
    else:
        Console(soft_wrap=True).print(jobs_table(jobs))


@app.command()
def get(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show one job."""
    with service() as client:
        job = client.jobs.get(job_id)
    say(job, as_json, lambda: summary(job))


@app.command()
def cancel(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Cancel a job."""
    with service() as client:
        job = client.jobs.cancel(job_id)
    say(job, as_json, lambda: job.status)


@app.command()
def pause(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Hold a job back, after the block it is in."""
    with service() as client:
        job = client.jobs.pause(job_id)
    say(job, as_json, lambda: job.status)


@app.command()
def resume(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Let a paused job go on from its last finished block."""
    with service() as client:
        job = client.jobs.resume(job_id)
    say(job, as_json, lambda: job.status)


@app.command()
def delete(job_id: JobArgument) -> None:
    """Delete a job that has ended, and its files."""
    with service() as client:
        client.jobs.delete(job_id)


@app.command()
def retry(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Queue a job again that failed, was cancelled or expired; it goes on where it stopped."""
    with service() as client:
        job = client.jobs.retry(job_id)
    say(job, as_json, lambda: job.status)


@app.command()
def rerun(
    job_id: JobArgument,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A field to change: sparsity=0.6.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the new job until it ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job once more, with changes; the new one's id is printed."""
    fields = dict(_field(change) for change in changes or ())
    with service() as client:
        job = client.jobs.rerun(job_id, **fields)
        if wait:
            people.print(job.id, markup=False)
            follow(client, job.id, None, as_json)
    say(job, as_json, lambda: job.id)


@app.command()
def events(
    job_id: JobArgument,
    follow_it: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
    ] = False,
    after: Annotated[int, typer.Option(help="Only later events than this one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a job, a line for each event."""
    with service() as client:
        for event in client.jobs.events(job_id, after=after, follow=follow_it):
            typer.echo(event.model_dump_json() if as_json else event_line(event))


@app.command()
def result(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show what a job that succeeded has measured and made."""
    with service() as client:
        found = client.jobs.result(job_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        typer.echo(result_text(found))


@app.command()
def download(
    job_id: JobArgument,
    folder: Annotated[Path, typer.Argument(help="Where to put the files.")] = Path("."),
    as_json: JsonOption = False,
) -> None:
    """Download a job's files and verify each; run it again to resume."""
    with service() as client:
        paths = [str(path) for path in client.jobs.download(job_id, folder)]
    if as_json:
        print_json(paths)
    else:
        typer.echo("\n".join(paths))


@app.command(context_settings=PASSED_ON)
def serve(context: typer.Context) -> None:
    """Run the whole service on this machine; --help shows how."""
    needs = ("sqlalchemy", "fastapi", "uvicorn", "celery", "torch")
    become("zpruner.serve", context.args, needs, "embedded")


@app.command(context_settings=PASSED_ON)
def prune(context: typer.Context) -> None:
    """Prune a model without a service; --help shows how."""
    become("worker.command", context.args, ("torch", "transformers"), "worker")


planning.register(app, submit)


def main() -> None:
    """Run the command line."""
    app()


def _label(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not equals:
        raise typer.BadParameter(f"{written} is not name=value", param_hint="--label")
    return name, value


def _field(change: str) -> tuple[str, Any]:
    """Read ``name=value``, where the value is JSON or, if it is none, plain text."""
    name, equals, written = change.partition("=")
    if not equals:
        raise typer.BadParameter(f"{change} is not name=value", param_hint="--set")
    try:
        return name, json.loads(written)
    except ValueError:
        return name, written
