"""Commands about more than one job, or about one that does not exist yet."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console

from zpruner.planning_models import Sweep
from zpruner.requests import like, request_of
from zpruner.tables import comparison_table, counts_text, estimate_text, sweep_table
from zpruner.terminal import (
    CANCELLED,
    EXPIRED,
    GATE_FAILED,
    JOB_FAILED,
    OK,
    TIMED_OUT,
    follow,
    people,
    print_json,
    service,
)

VARIED = ("sparsity", "method", "pattern", "solver", "scope", "allocation", "propagation")
"""Options of a sweep that take several values."""
SUBMITTED = (
    *("name", "idempotency_key", "reuse", "dry_run", "wait", "gate_max", "gate_min"),
    *("queue", "priority", "deadline"),
)
"""Options that change nothing of what a job takes."""

SeveralOption = Annotated[str | None, typer.Option(help="One value, or several: A,B,C.")]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="Seconds to wait at most.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
ParallelOption = Annotated[int | None, typer.Option(help="How many jobs may run at once.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Print its id; do not follow.")]


def register(app: typer.Typer, submit: Callable[..., None]) -> None:
    """Add the commands; those that take a job's options take those of ``submit``."""
    followed = ("dry_run", "wait")
    app.command()(like(submit, without=followed, timeout=TimeoutOption)(run))
    app.command()(like(submit, without=SUBMITTED)(estimate))
    app.command()(compare)
    several = dict.fromkeys(VARIED, SeveralOption)
    own = {"max_parallel": ParallelOption, "timeout": TimeoutOption, "detach": DetachOption}
    app.command()(like(submit, without=("reuse", *followed), **several, **own)(sweep))


def run(**given: Any) -> None:
    """Submit a job and follow it until it ends; the exit code says how it did."""
    timeout = given.pop("timeout")
    with service() as client:
        job = client.jobs.create(**request_of(given))
        for warning in job.warnings:
            people.print(f"warning: {warning}", markup=False)
        people.print(job.id, markup=False)
        follow(client, job.id, timeout, given["as_json"])


def estimate(**given: Any) -> None:
    """Say what a job would take, without submitting it."""
    with service() as client:
        try:
            found = client.estimate(**request_of(given))
        except TimeoutError as error:
            people.print(str(error), markup=False)
            raise typer.Exit(TIMED_OUT) from None
    if given["as_json"]:
        print_json(found.model_dump(mode="json"))
        return
    for warning in found.warnings:
        people.print(f"warning: {warning}", markup=False)
    typer.echo(estimate_text(found))


def compare(
    job_ids: Annotated[list[str], typer.Argument(help="Two or more jobs' ids.")],
    as_json: JsonOption = False,
) -> None:
    """Hold jobs against the first of them."""
    with service() as client:
        found = client.compare(*job_ids)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for reason in found.reasons:
        people.print(f"not comparable: {reason}", markup=False)
    Console(soft_wrap=True).print(comparison_table(found))


def sweep(**given: Any) -> None:
    """Submit a job for every combination of values, follow all, and show the best of them."""
    timeout, detach, as_json = (given.pop(name) for name in ("timeout", "detach", "as_json"))
    options = request_of({name: given[name] for name in given if name not in VARIED})
    grid = {name: _values(given[name]) for name in VARIED if given[name]}
    with service() as client:
        made = client.sweeps.create(**options, grid=grid)
        people.print(f"{made.id}: {made.total} jobs", markup=False)
        if detach:
            _say(made, as_json, made.id)
            return
        try:
            ended = client.sweeps.wait(made.id, timeout_s=timeout, on_look=_Counts())
        except TimeoutError as error:
            people.print(str(error), markup=False)
            raise typer.Exit(TIMED_OUT) from None
    _say(ended, as_json)
    raise typer.Exit(_exit_code(ended))


class _Counts:
    """A line whenever the counts change."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, sweep: Sweep) -> None:
        if (now := counts_text(sweep)) != self._last:
            self._last = now
            people.print(now, markup=False)


def _say(sweep: Sweep, as_json: bool, text: str | None = None) -> None:
    if as_json:
        print_json(sweep.model_dump(mode="json"))
    elif text is not None:
        typer.echo(text)
    else:
        Console(soft_wrap=True).print(sweep_table(sweep))


def _exit_code(sweep: Sweep) -> int:
    """Return the code of the worst that happened to any point."""
    statuses = {point.status for point in sweep.points}
    verdicts = {point.verdict for point in sweep.points}
    worst = [
        (JOB_FAILED, "failed" in statuses),
        (EXPIRED, "expired" in statuses),
        (CANCELLED, "cancelled" in statuses),
        (GATE_FAILED, "fail" in verdicts),
    ]
    return next((code for code, happened in worst if happened), OK)


def _values(written: str) -> list[Any]:
    """Read ``A,B,C``: numbers, words, and ``null`` for what is left out."""
    return [_value(one) for one in written.split(",")]


def _value(written: str) -> Any:
    try:
        return float(written)
    except ValueError:
        return None if written == "null" else written
