"""What the command line says, to whom, and the exit code it ends with."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console

from zpruner.cli.rows import Table
from zpruner.cli.screen import following, summary
from zpruner.client.client import Client
from zpruner.client.models.jobs import JobFields, ResponseModel
from zpruner.client.transport.errors import NoFilesError, ProblemError, ServiceError

OK, JOB_FAILED, USAGE, GATE_FAILED, CANCELLED, EXPIRED = 0, 1, 2, 3, 4, 5
AUTH, NOT_FOUND, SERVICE, TIMED_OUT, INTERRUPTED = 6, 7, 8, 124, 130
EXITS = {"succeeded": OK, "failed": JOB_FAILED, "cancelled": CANCELLED, "expired": EXPIRED}
REFUSALS = {
    400: USAGE,
    401: AUTH,
    403: AUTH,
    404: NOT_FOUND,
    409: USAGE,
    413: USAGE,
    415: USAGE,
    422: USAGE,
}
REFUSALS[424] = JOB_FAILED

Model = TypeVar("Model", bound=ResponseModel | Sequence[ResponseModel])

people = Console(stderr=True, soft_wrap=True)


def follow(client: Client, job_id: str, timeout: float | None, as_json: bool) -> NoReturn:
    """Wait with a progress bar; the job goes on whatever happens here."""
    try:
        with following(people) as show:
            job = client.jobs.wait(job_id, timeout_s=timeout, on_change=show)
    except TimeoutError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(TIMED_OUT) from None
    say(job, as_json, summary)
    raise typer.Exit(exit_code(job))


def exit_code(job: JobFields) -> int:
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
    except NoFilesError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(exit_code(error.job)) from None
    except ServiceError as error:
        people.print(str(error), markup=False)
        raise typer.Exit(SERVICE) from None
    except KeyboardInterrupt:
        people.print("interrupted; a submitted job goes on")
        raise typer.Exit(INTERRUPTED) from None


def say(
    answer: Model,
    as_json: bool,
    text: Callable[[Model], str | Table],
    notes: Iterable[str] = (),
) -> None:
    """Print an answer, or several, as JSON; or else notes and what people want to know of it."""
    if as_json:
        print_json(_dumped(answer))
        return
    for note in notes:
        people.print(note, markup=False)
    shown = text(answer)
    if isinstance(shown, str):
        typer.echo(shown)
    else:
        print_table(shown)


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal, or tab-separated where there is none."""
    width = shutil.get_terminal_size().columns
    for line in table.aligned(width) if sys.stdout.isatty() else table.tabbed():
        typer.echo(line)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    Console(soft_wrap=True, highlight=False).print_json(data=value)


def _dumped(answer: ResponseModel | Sequence[ResponseModel]) -> Any:
    if isinstance(answer, ResponseModel):
        return answer.model_dump(mode="json")
    return [one.model_dump(mode="json") for one in answer]
