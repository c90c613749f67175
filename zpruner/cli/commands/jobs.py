"""Commands about submitted jobs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from zpruner.cli.commands.submission import print_notes
from zpruner.cli.display import event_line, failure_text, result_text, summary
from zpruner.cli.exit_codes import USAGE, job_exit_code
from zpruner.cli.options import FollowOption, JobArgument, JsonOption, LimitOption, TimeoutOption
from zpruner.cli.requests import pair_of
from zpruner.cli.tables import jobs_table
from zpruner.cli.terminal import connect, follow, print_json, print_response, stderr
from zpruner.cli.values import check_finite, read_json
from zpruner.client.download import Format
from zpruner.client.filters import Filters
from zpruner.client.job import PARALLEL
from zpruner.client.models.job_options import Order
from zpruner.client.models.jobs import Facets
from zpruner.client.transport.errors import ProblemError

app = typer.Typer()


@app.command(name="wait")
def wait_for(
    job_id: JobArgument,
    outputs: Annotated[
        bool, typer.Option("--outputs", help="Wait also until the result has been sent.")
    ] = False,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a job until it ends; the exit code says how it ended.

    With --outputs it is 1 also if the result could not be sent to each target.
    """
    with connect() as client:
        follow(client, job_id, timeout, as_json, delivered=outputs)


@app.command(name="ls")
def list_jobs(
    status: Annotated[list[str] | None, typer.Option(help="A status; may be repeated.")] = None,
    model: Annotated[str | None, typer.Option(help="A model, as in the request.")] = None,
    method: Annotated[str | None, typer.Option(help="A method, such as wanda.")] = None,
    created_after: Annotated[
        str | None, typer.Option(help="For example 2026-01-05T09:30:00Z.")
    ] = None,
    created_before: Annotated[
        str | None, typer.Option(help="For example 2026-01-06T09:30:00Z.")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Reruns of this job.")] = None,
    sweep: Annotated[str | None, typer.Option(help="Points of this sweep.")] = None,
    verdict: Annotated[str | None, typer.Option(help="pass, fail or none.")] = None,
    output: Annotated[
        str | None, typer.Option(help="The state of one of the outputs, such as failed.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="name=value; may be repeated, all must match."),
    ] = None,
    q: Annotated[
        str | None,
        typer.Option("--search", "-q", help="Part of a name, a model, a label or an id."),
    ] = None,
    created_by: Annotated[str | None, typer.Option(help="The id of a key.")] = None,
    limit: LimitOption = 20,
    all_: Annotated[bool, typer.Option("--all", help="List all, however many.")] = False,
    sort: Annotated[
        Order, typer.Option(help="Time or metric, ascending; descending with - before it.")
    ] = "-created",
    oldest: Annotated[bool, typer.Option("--oldest", help="Short for --sort created.")] = False,
    facets: Annotated[bool, typer.Option("--facets", help="Count instead of listing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first by default."""
    filters: Filters = {"status": status, "model": model, "method": method, "parent": parent}
    filters |= {"sweep": sweep, "verdict": verdict, "created_by": created_by, "output": output}
    filters["labels"] = dict(pair_of(text, "--label") for text in label or ())
    filters |= {"created_after": created_after, "created_before": created_before, "q": q}
    with connect() as client:
        if facets:
            _print_facets(client.jobs.facets(**filters), as_json)
            return
        most = None if all_ else limit
        jobs = client.jobs.list(limit=most, sort="created" if oldest else sort, **filters)
    print_response(jobs, as_json, jobs_table)


@app.command()
def get(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show one job."""
    with connect() as client:
        job = client.jobs.get(job_id)
    print_response(job, as_json, summary)


@app.command()
def pause(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Pause a queued job at once, or a running job after its current block or training step."""
    with connect() as client:
        job = client.jobs.pause(job_id)
    print_response(job, as_json, lambda job: job.status)


@app.command()
def resume(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Resume a paused job from its last finished block."""
    with connect() as client:
        job = client.jobs.resume(job_id)
    print_response(job, as_json, lambda job: job.status)


@app.command()
def delete(job_id: JobArgument) -> None:
    """Delete a job that has ended, and its files."""
    with connect() as client:
        client.jobs.delete(job_id)


@app.command()
def retry(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Requeue a job that failed, expired or was cancelled; it keeps its finished blocks."""
    with connect() as client:
        job = client.jobs.retry(job_id)
    print_response(job, as_json, lambda job: job.status)


@app.command()
def rerun(
    job_id: JobArgument,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A field to change: sparsity=0.6.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the new job until it ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job again with changes, and print the new job's id."""
    fields = dict(_field(change) for change in changes or ())
    with connect() as client:
        job = client.jobs.rerun(job_id, **fields)
        print_notes(job)
        if wait:
            stderr.print(job.id, markup=False)
            follow(client, job.id, None, as_json)
    print_response(job, as_json, lambda job: job.id)


@app.command()
def events(
    job_id: JobArgument,
    follow_it: FollowOption = False,
    after: Annotated[int, typer.Option(help="Only events after this number.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show the events of a job, one per line."""
    with connect() as client:
        for event in client.jobs.events(job_id, after=after, follow=follow_it):
            typer.echo(event.model_dump_json() if as_json else event_line(event))


@app.command()
def edit(
    job_id: JobArgument,
    name: Annotated[str | None, typer.Option(help="The new name; '' removes it.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="A label to set: name=value.")
    ] = None,
    remove_label: Annotated[
        list[str] | None, typer.Option("--remove-label", help="The name of a label to remove.")
    ] = None,
    priority: Annotated[
        int | None, typer.Option(help="-10 to 10; jobs of a higher priority run first.")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(help="What the job may cost; after cost_exceeded, raise it, then retry."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a job's name, labels, priority or bound of cost."""
    check_finite(max_cost, "--max-cost")
    labels: dict[str, str | None] = dict(pair_of(text, "--label") for text in label or ())
    labels |= dict.fromkeys(remove_label or ())
    given: dict[str, Any] = {"name": name, "labels": labels or None, "priority": priority}
    given["max_cost"] = max_cost
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        options = "--name, --label, --remove-label, --priority or --max-cost"
        raise typer.BadParameter(f"nothing to change: give {options}")
    if name == "":
        changes["name"] = None
    with connect() as client:
        job = client.jobs.describe(job_id, **changes)
    print_response(job, as_json, summary)


@app.command()
def result(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show the metrics and files of a job that has succeeded."""
    with connect() as client:
        try:
            job_result = client.jobs.result(job_id)
        except ProblemError as error:
            if error.problem.code != "not_succeeded":
                raise
            stderr.print(str(error), markup=False)
            raise typer.Exit(job_exit_code(client.jobs.get(job_id))) from None
    print_response(job_result, as_json, result_text)


@app.command()
def download(
    job_id: JobArgument,
    folder: Annotated[Path, typer.Argument(help="The folder to write to.")] = Path("."),
    parallel: Annotated[
        int, typer.Option(min=1, help="How many pieces of files to download at once.")
    ] = PARALLEL,
    format: Annotated[
        Format, typer.Option(help="zstd: send fewer bytes, and write the same files.")
    ] = "plain",
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that have another content.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Download and verify a job's files; run the command again to resume.

    A file of another content in the folder is not replaced, but refused, unless --force is given.
    The exit code is 3 if the job failed its quality gate. If the job has not succeeded, there are
    no files: the reason is printed, and the exit code depends on the job's status.
    """
    with connect() as client:
        job = client.jobs.get(job_id)
        try:
            files = client.jobs.download(
                job_id, folder, parallel=parallel, format=format, force=force
            )
            paths = [str(file) for file in files]
        except OSError as error:
            hint = "name a writable folder with enough space"
            stderr.print(f"{error.filename or folder}: {error.strerror}; {hint}", markup=False)
            raise typer.Exit(USAGE) from None
    if as_json:
        print_json(paths)
    else:
        typer.echo("\n".join(paths))
    for failure in job.gate_failures:
        stderr.print(f"gate: {failure_text(failure)}", markup=False)
    raise typer.Exit(job_exit_code(job))


def _print_facets(facets: Facets, as_json: bool) -> None:
    if as_json:
        print_json(facets.model_dump(mode="json"))
        return
    for kind, counts in facets:
        for name, count in counts.items():
            typer.echo(f"{kind} {name} {count}")


def _field(change: str) -> tuple[str, Any]:
    """Read ``name=value``, where the value is JSON or plain text."""
    name, text = pair_of(change, "--set")
    try:
        return name, read_json(text)
    except ValueError:
        return name, text
