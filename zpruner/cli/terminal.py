"""Output of the commands, and the client that they use."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console

from zpruner.cli.display import progress_display, summary
from zpruner.cli.exit_codes import (
    INTERRUPTED,
    JOB_FAILED,
    NOT_FOUND,
    OK,
    SERVICE,
    TIMED_OUT,
    USAGE,
    job_exit_code,
    problem_exit_code,
)
from zpruner.cli.printable import printable_json
from zpruner.cli.text_table import Table
from zpruner.client.client import Client
from zpruner.client.job import Job
from zpruner.client.models.jobs import ResponseModel
from zpruner.client.models.keys import NewKey
from zpruner.client.models.triggers import NewTrigger
from zpruner.client.models.webhooks import NewWebhook
from zpruner.client.transport.errors import (
    FilesDeletedError,
    NoFilesError,
    ProblemError,
    ServiceError,
)

Model = TypeVar("Model", bound=ResponseModel | Sequence[ResponseModel])

stderr = Console(stderr=True, soft_wrap=True)


def follow(
    client: Client,
    job_id: str,
    timeout: float | None,
    as_json: bool,
    *,
    delivered: bool = False,
) -> NoReturn:
    """Show a job's progress until it ends, then exit; Ctrl-C ends the command, not the job.

    With ``delivered``, also wait for its outputs, and fail if one of them was not sent.
    """
    job = wait_for_end(client, job_id, timeout, delivered=delivered)
    print_response(job, as_json, summary)
    code = job_exit_code(job)
    is_sent = all(output.state == "succeeded" for output in job.outputs)
    raise typer.Exit(JOB_FAILED if delivered and code == OK and not is_sent else code)


def wait_for_end(
    client: Client, job_id: str, timeout: float | None, *, delivered: bool = False
) -> Job:
    """Show a job's progress until it ends, and return it; exit if that takes too long."""
    try:
        with progress_display(stderr) as show:
            return client.jobs.wait(job_id, timeout_s=timeout, on_change=show, delivered=delivered)
    except TimeoutError as error:
        stderr.print(str(error), markup=False)
        raise typer.Exit(TIMED_OUT) from None


@contextmanager
def connect() -> Iterator[Client]:
    """Open a client; on an error, print it and exit with the matching code."""
    try:
        with Client() as client:
            yield client
    except ProblemError as error:
        stderr.print(str(error), markup=False)
        raise typer.Exit(problem_exit_code(error.problem)) from None
    except NoFilesError as error:
        stderr.print(str(error), markup=False)
        raise typer.Exit(job_exit_code(error.job)) from None
    except FilesDeletedError as error:
        stderr.print(str(error), markup=False)
        raise typer.Exit(NOT_FOUND) from None
    except ServiceError as error:
        stderr.print(str(error), markup=False)
        raise typer.Exit(USAGE if error.is_refusal else SERVICE) from None
    except KeyboardInterrupt:
        stderr.print("interrupted; submitted jobs continue")
        raise typer.Exit(INTERRUPTED) from None


def print_response(
    response: Model,
    as_json: bool,
    text: Callable[[Model], str | Table | Sequence[str | Table]],
    notes: Iterable[str] = (),
) -> None:
    """Print one or more responses as JSON, or else ``notes`` and then ``text(response)``."""
    if as_json:
        print_json(_to_json(response))
        return
    for note in notes:
        stderr.print(note, markup=False)
    shown = text(response)
    for part in [shown] if isinstance(shown, str | Table) else shown:
        if isinstance(part, str):
            typer.echo(part)
        else:
            print_table(part)


def print_secret(
    made: NewKey | NewTrigger | NewWebhook, secret: str, as_json: bool, note: str
) -> None:
    """Print a new secret; if an old secret is still valid, also print until when."""
    print_response(made, as_json, lambda _: secret, [note])
    if made.former_until is not None:
        stderr.print(f"the old secret is valid until {made.former_until:%F %T}", markup=False)


def print_table(table: Table) -> None:
    """Print a table, fitted to the terminal, or tab-separated lines if there is no terminal."""
    width = shutil.get_terminal_size().columns
    for line in table.aligned(width) if sys.stdout.isatty() else table.tabbed():
        typer.echo(line)


def print_json(value: Any) -> None:
    typer.echo(printable_json(json.dumps(value, ensure_ascii=False, indent=2)))


def _to_json(response: ResponseModel | Sequence[ResponseModel]) -> Any:
    if isinstance(response, ResponseModel):
        return response.model_dump(mode="json")
    return [item.model_dump(mode="json") for item in response]
