"""The command line. Answers go to standard output, everything for people to standard error."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from zpruner.client import Client
from zpruner.filters import Filters
from zpruner.models import Facets, Job, Preview
from zpruner.screen import following, jobs_table, preview_text, summary
from zpruner.transport import ProblemError, ServiceError

OK, JOB_FAILED, USAGE, CANCELLED, EXPIRED = 0, 1, 2, 4, 5
AUTH, NOT_FOUND, SERVICE, TIMED_OUT, INTERRUPTED = 6, 7, 8, 124, 130
EXITS = {"succeeded": OK, "failed": JOB_FAILED, "cancelled": CANCELLED, "expired": EXPIRED}
REFUSALS = {400: USAGE, 401: AUTH, 403: AUTH, 404: NOT_FOUND, 409: USAGE, 422: USAGE}

FLAGS = {"reuse", "dry_run", "wait", "as_json"}
"""Parameters of ``submit`` that are no fields of the request."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
JobArgument = Annotated[str, typer.Argument(help="A job's id.")]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="Seconds to wait at most.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
people = Console(stderr=True, soft_wrap=True)
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
    given = {key: value for key, value in locals().items() if value not in (None, [])}
    spec = {key: value for key, value in given.items() if key not in FLAGS}
    if allocation and "," in allocation:
        spec["allocation"] = allocation.split(",")
    if reuse:
        spec["reuse"] = "if_succeeded"
    with _service() as client:
        if dry_run:
            spec.pop("idempotency_key", None)
            _say_preview(client.jobs.preview(**spec), as_json)
            return
        job = client.jobs.create(**spec)
        for warning in job.warnings:
            people.print(f"warning: {warning}", markup=False)
        if wait:
            people.print(job.id, markup=False)
            _follow(client, job.id, None, as_json)
        _say(job, as_json, lambda: job.id)


@app.command(name="wait")
def wait_for(
    job_id: JobArgument, timeout: TimeoutOption = None, as_json: JsonOption = False
) -> None:
    """Follow a job until it ends; the exit code says how it did."""
    with _service() as client:
        _follow(client, job_id, timeout, as_json)


@app.command(name="ls")
def list_jobs(
    status: Annotated[list[str] | None, typer.Option(help="One or more of these.")] = None,
    model: str | None = None,
    method: str | None = None,
    created_after: Annotated[str | None, typer.Option(help="Such as 2026-01-05T09:30:00Z.")] = None,
    created_before: str | None = None,
    parent: Annotated[str | None, typer.Option(help="Reruns of this job.")] = None,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Part of a name.")] = None,
    limit: int = 20,
    oldest: Annotated[bool, typer.Option("--oldest", help="Oldest first.")] = False,
    facets: Annotated[bool, typer.Option("--facets", help="Count instead of listing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    filters: Filters = {"status": status, "model": model, "method": method, "parent": parent}
    filters |= {"created_after": created_after, "created_before": created_before, "q": q}
    with _service() as client:
        if facets:
            _say_facets(client.jobs.facets(**filters), as_json)
            return
        jobs = client.jobs.list(limit=limit, sort="created" if oldest else "-created", **filters)
    if as_json:
        _print_json([job.model_dump(mode="json") for job in jobs])
    else:
        Console(soft_wrap=True).print(jobs_table(jobs))


@app.command()
def get(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show one job."""
    with _service() as client:
        job = client.jobs.get(job_id)
    _say(job, as_json, lambda: summary(job))


@app.command()
def cancel(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Cancel a job."""
    with _service() as client:
        job = client.jobs.cancel(job_id)
    _say(job, as_json, lambda: job.status)


@app.command()
def download(
    job_id: JobArgument,
    folder: Annotated[Path, typer.Argument(help="Where to put the files.")] = Path("."),
    as_json: JsonOption = False,
) -> None:
    """Download a job's files and verify each; run it again to resume."""
    with _service() as client:
        paths = [str(path) for path in client.jobs.download(job_id, folder)]
    if as_json:
        _print_json(paths)
    else:
        typer.echo("\n".join(paths))


@app.command(context_settings=PASSED_ON)
def serve(context: typer.Context) -> None:
    """Run the whole service on this machine; --help shows how."""
    needs = ("sqlalchemy", "fastapi", "uvicorn", "celery", "torch")
    _become("zpruner.serve", context.args, needs, "embedded")


@app.command(context_settings=PASSED_ON)
def prune(context: typer.Context) -> None:
    """Prune a model without a service; --help shows how."""
    _become("worker.command", context.args, ("torch", "transformers"), "worker")


def main() -> None:
    """Run the command line."""
    app()


def _follow(client: Client, job_id: str, timeout: float | None, as_json: bool) -> NoReturn:
    """Wait with a progress bar; the job goes on whatever happens here."""
    try:
        with following(people) as show:
            job = client.jobs.wait(job_id, timeout_s=timeout, on_change=show)
    except TimeoutError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(TIMED_OUT) from None
    _say(job, as_json, lambda: summary(job))
    raise typer.Exit(EXITS.get(job.status, SERVICE))


@contextmanager
def _service() -> Iterator[Client]:
    """Open a client; turn what goes wrong into words and an exit code."""
    try:
        with Client() as client:
            yield client
    except ProblemError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(REFUSALS.get(error.problem.status, SERVICE)) from None
    except ServiceError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(SERVICE) from None
    except KeyboardInterrupt:
        people.print("interrupted; a submitted job goes on")
        raise typer.Exit(INTERRUPTED) from None


def _become(module: str, arguments: list[str], needs: tuple[str, ...], extra: str) -> NoReturn:
    """Replace this process by a module that needs more than a client has."""
    if missing := [name for name in needs if find_spec(name) is None]:
        people.print(
            f"{', '.join(missing)} not installed: pip install 'zpruner[{extra}]'", markup=False
        )
        raise typer.Exit(USAGE)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our module


def _say(job: Job, as_json: bool, text: Callable[[], str]) -> None:
    if as_json:
        _print_json(job.model_dump(mode="json"))
    else:
        typer.echo(text())


def _say_preview(preview: Preview, as_json: bool) -> None:
    if as_json:
        _print_json(preview.model_dump(mode="json"))
        return
    for warning in preview.warnings:
        people.print(f"warning: {warning}", markup=False)
    typer.echo(preview_text(preview))


def _say_facets(facets: Facets, as_json: bool) -> None:
    if as_json:
        _print_json(facets.model_dump(mode="json"))
        return
    for kind, counts in facets:
        for name, count in counts.items():
            typer.echo(f"{kind} {name} {count}")


def _print_json(value: Any) -> None:
    Console(soft_wrap=True, highlight=False).print_json(data=value)
