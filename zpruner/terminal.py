"""What the command line says, to whom, and the exit code it ends with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console

from zpruner.client import Client
from zpruner.models import Facets, Job, Preview
from zpruner.screen import following, preview_text, summary
from zpruner.transport import ProblemError, ServiceError

OK, JOB_FAILED, USAGE, GATE_FAILED, CANCELLED, EXPIRED = 0, 1, 2, 3, 4, 5
AUTH, NOT_FOUND, SERVICE, TIMED_OUT, INTERRUPTED = 6, 7, 8, 124, 130
EXITS = {"succeeded": OK, "failed": JOB_FAILED, "cancelled": CANCELLED, "expired": EXPIRED}
REFUSALS = {400: USAGE, 401: AUTH, 403: AUTH, 404: NOT_FOUND, 409: USAGE, 422: USAGE}
REFUSALS[424] = JOB_FAILED

people = Console(stderr=True, soft_wrap=True)


def follow(client: Client, job_id: str, timeout: float | None, as_json: bool) -> NoReturn:
    """Wait with a progress bar; the job goes on whatever happens here."""
    try:
        with following(people) as show:
            job = client.jobs.wait(job_id, timeout_s=timeout, on_change=show)
    except TimeoutError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(TIMED_OUT) from None
    say(job, as_json, lambda: summary(job))
    raise typer.Exit(exit_code(job))


def exit_code(job: Job) -> int:
    """Return the code that says how a job ended."""
    if job.verdict == "fail":
        return GATE_FAILED
    return EXITS.get(job.status, SERVICE)


@contextmanager
def service() -> Iterator[Client]:
    """Open a client; turn what goes wrong into words and an exit code."""
    try:
        with Client() as client:
            yield client
    except ProblemError as error:
        people.print(str(error), markup=False)
        code = REFUSALS.get(error.problem.status, SERVICE)
        raise typer.Exit(GATE_FAILED if error.problem.code == "gate_failed" else code) from None
    except ServiceError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(SERVICE) from None
    except KeyboardInterrupt:
        people.print("interrupted; a submitted job goes on")
        raise typer.Exit(INTERRUPTED) from None


def say(job: Job, as_json: bool, text: Callable[[], str]) -> None:
    """Print the job as JSON, or what people want to know of it."""
    if as_json:
        print_json(job.model_dump(mode="json"))
    else:
        typer.echo(text())


def say_preview(preview: Preview, as_json: bool) -> None:
    """Print what would be submitted."""
    if as_json:
        print_json(preview.model_dump(mode="json"))
        return
    for warning in preview.warnings:
        people.print(f"warning: {warning}", markup=False)
    typer.echo(preview_text(preview))


def say_facets(facets: Facets, as_json: bool) -> None:
    """Print a line for each count."""
    if as_json:
        print_json(facets.model_dump(mode="json"))
        return
    for kind, counts in facets:
        for name, count in counts.items():
            typer.echo(f"{kind} {name} {count}")


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    Console(soft_wrap=True, highlight=False).print_json(data=value)
