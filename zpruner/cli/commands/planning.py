"""Commands about more than one job, or about one that does not exist yet."""

import json
from typing import Annotated, Any

import typer

from zpruner.cli.commands.submission import create, submit
from zpruner.cli.options import JsonOption, TimeoutOption
from zpruner.cli.requests import like, request_of, value_of
from zpruner.cli.tables import comparison_table, counts_text, estimate_text, sweep_table
from zpruner.cli.terminal import (
    CANCELLED,
    EXPIRED,
    GATE_FAILED,
    JOB_FAILED,
    OK,
    TIMED_OUT,
    follow,
    people,
    say,
    service,
)
from zpruner.client.models.planning import Sweep

VARIED = (
    *("sparsity", "method", "pattern", "solver", "scope"),
    *("allocation", "correction", "damping", "propagation"),
)
"""Options of a sweep that take several values, beside ``skip``, whose values are lists."""
FOLLOWED = ("dry_run", "wait")
"""Options of ``submit`` that commands lack which always submit and follow."""
SUBMITTED = (
    *("name", "label", "idempotency_key", "reuse", *FOLLOWED, "gate_max", "gate_min"),
    *("queue", "priority", "deadline"),
)
"""Options that change nothing of what a job takes."""

SeveralOption = Annotated[
    str | None,
    typer.Option(help="One value, or several: A,B,C; or as JSON: '[\"owl\", [0.4, 0.6]]'."),
]
SeveralSkipOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Glob of layers to leave alone; or several lists of them as JSON: "
        "'[[], [\"*.o_proj\"]]'."
    ),
]
ParallelOption = Annotated[int | None, typer.Option(help="How many jobs may run at once.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Print its id; do not follow.")]

app = typer.Typer()


@app.command()
@like(submit, without=FOLLOWED, timeout=TimeoutOption)
def run(**given: Any) -> None:
    """Submit a job and follow it until it ends; the exit code says how it did."""
    timeout = given.pop("timeout")
    with service() as client:
        job = create(client, request_of(given))
        people.print(job.id, markup=False)
        follow(client, job.id, timeout, given["as_json"])


@app.command()
@like(submit, without=SUBMITTED)
def estimate(**given: Any) -> None:
    """Say what a job would take, without submitting it."""
    with service() as client:
        try:
            found = client.estimate(**request_of(given))
        except TimeoutError as error:
            people.print(str(error), markup=False)
            raise typer.Exit(TIMED_OUT) from None
    notes = [f"warning: {one}" for one in found.warnings]
    notes += [f"hint: {one}" for one in found.hints]
    say(found, given["as_json"], estimate_text, notes)


@app.command()
def compare(
    job_ids: Annotated[list[str], typer.Argument(help="Two or more jobs' ids.")],
    as_json: JsonOption = False,
) -> None:
    """Hold jobs against the first of them."""
    with service() as client:
        found = client.compare(*job_ids)
    say(found, as_json, comparison_table, [f"not comparable: {one}" for one in found.reasons])


@app.command()
@like(
    submit,
    without=("reuse", *FOLLOWED),
    **dict.fromkeys(VARIED, SeveralOption),
    skip=SeveralSkipOption,
    max_parallel=ParallelOption,
    timeout=TimeoutOption,
    detach=DetachOption,
)
def sweep(**given: Any) -> None:
    """Submit a job for every combination of values, follow all, and show the best of them."""
    timeout, detach, as_json = (given.pop(name) for name in ("timeout", "detach", "as_json"))
    grid = {name: _values(name, given.pop(name)) for name in VARIED if given[name]}
    if (skip := given["skip"]) and skip[0].startswith("["):
        grid["skip"] = _values("skip", *given.pop("skip"))
    options = request_of({name: given[name] for name in given if name not in VARIED})
    with service() as client:
        made = client.sweeps.create(**options, grid=grid)
        people.print(f"{made.id}: {made.total} jobs", markup=False)
        if detach:
            say(made, as_json, lambda made: made.id)
            return
        try:
            ended = client.sweeps.wait(made.id, timeout_s=timeout, on_look=_Counts())
        except TimeoutError as error:
            people.print(str(error), markup=False)
            raise typer.Exit(TIMED_OUT) from None
    say(ended, as_json, sweep_table)
    raise typer.Exit(_exit_code(ended))


class _Counts:
    """A line whenever the counts change."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, sweep: Sweep) -> None:
        if (now := counts_text(sweep)) != self._last:
            self._last = now
            people.print(now, markup=False)


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


def _values(name: str, written: str, *more: str) -> list[Any]:
    """Read ``A,B,C``: numbers, words, and ``null`` for what is left out; or a list as JSON."""
    if not written.startswith("["):
        return [value_of(one) for one in written.split(",")]
    try:
        values = json.loads(written)
    except ValueError as error:
        problem = f"{written} is no list in JSON: {error}"
        raise typer.BadParameter(problem, param_hint=f"--{name}") from None
    if more:
        problem = f"{more[0]} beside a JSON list: put all values into one list"
        raise typer.BadParameter(problem, param_hint=f"--{name}")
    return list(values)
