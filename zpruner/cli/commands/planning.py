"""Commands that estimate, run and compare jobs, and run sweeps."""

import re
from typing import Annotated, Any

import typer

from zpruner.cli.commands.submission import create, notes_of
from zpruner.cli.exit_codes import TIMED_OUT, sweep_exit_code
from zpruner.cli.field_options import JOB_FIELDS, FieldOption, with_fields
from zpruner.cli.job_command import JobCommand
from zpruner.cli.option_groups import VARIED, VARIED_LISTS
from zpruner.cli.options import JsonOption, TimeoutOption
from zpruner.cli.requests import REUSE, SUBMISSION, request_of
from zpruner.cli.tables import comparison_table, counts_text, estimate_text, sweep_table
from zpruner.cli.terminal import connect, follow, print_response, stderr
from zpruner.cli.values import read_json, value_of
from zpruner.client.models.planning import Sweep

SEVERAL = "One value, or several: A,B,C; or a list as JSON: '[\"owl\", [0.4, 0.6]]'."
LISTS = "Glob of layers to leave alone; or several lists of globs as JSON: '[[], [\"*.o_proj\"]]'."
ESTIMATED = [option for option in SUBMISSION if option.name in ("queue", "min_memory_gb")]
SWEEP_FIELDS = {
    option.name: option for option in (*JOB_FIELDS, *SUBMISSION) if option.part_of not in VARIED
}
SWEEP_FIELDS |= {name: FieldOption(name, SEVERAL) for name in VARIED}
SWEEP_FIELDS |= {name: FieldOption(name, LISTS, is_repeated=True) for name in VARIED_LISTS}
JSON_LIST = re.compile(r'\[\s*[\[\]"]')
"""The beginning of a list of lists or texts, unlike that of a glob such as ``[0-9].o_proj``."""

app = typer.Typer()


@app.command(cls=JobCommand)
@with_fields(*JOB_FIELDS, *SUBMISSION, REUSE)
def run(fields: dict[str, Any], timeout: TimeoutOption = None, as_json: JsonOption = False) -> None:
    """Submit a job and follow it until it ends; the exit code says how it ended."""
    with connect() as client:
        job = create(client, request_of(fields))
        stderr.print(job.id, markup=False)
        follow(client, job.id, timeout, as_json)


@app.command(cls=JobCommand)
@with_fields(*JOB_FIELDS, *ESTIMATED)
def estimate(fields: dict[str, Any], as_json: JsonOption = False) -> None:
    """Estimate the memory and time of a job without submitting it."""
    with connect() as client:
        try:
            forecast = client.estimate(**fields)
        except TimeoutError as error:
            stderr.print(str(error), markup=False)
            raise typer.Exit(TIMED_OUT) from None
    print_response(forecast, as_json, estimate_text, notes_of(forecast))


@app.command()
def compare(
    job_ids: Annotated[list[str], typer.Argument(help="The ids of two or more jobs.")],
    as_json: JsonOption = False,
) -> None:
    """Compare jobs; the first one is the baseline."""
    if len(job_ids) < 2:
        raise typer.BadParameter("name two jobs or more", param_hint="job_ids")
    with connect() as client:
        comparison = client.compare(*job_ids)
    print_response(
        comparison,
        as_json,
        comparison_table,
        [f"not comparable: {reason}" for reason in comparison.reasons],
    )


@app.command(cls=JobCommand)
@with_fields(*SWEEP_FIELDS.values())
def sweep(
    fields: dict[str, Any],
    max_parallel: Annotated[int | None, typer.Option(help="How many jobs may run at once.")] = None,
    timeout: TimeoutOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the sweep's id; do not follow it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job for each combination of values, follow the jobs, and mark the best results."""
    grid = {name: _values(name, fields.pop(name)) for name in VARIED if name in fields}
    for name in VARIED_LISTS:
        if fields.get(name) and JSON_LIST.match(fields[name][0]):
            grid[name] = _values(name, *fields.pop(name))
    if max_parallel is not None:
        fields["max_parallel"] = max_parallel
    with connect() as client:
        made = client.sweeps.create(**request_of(fields), grid=grid)
        stderr.print(f"{made.id}: {made.total} jobs", markup=False)
        if detach:
            print_response(made, as_json, lambda made: made.id)
            return
        try:
            ended = client.sweeps.wait(made.id, timeout_s=timeout, on_look=_Counts())
        except TimeoutError as error:
            stderr.print(str(error), markup=False)
            raise typer.Exit(TIMED_OUT) from None
    print_response(ended, as_json, sweep_table)
    raise typer.Exit(sweep_exit_code(ended))


class _Counts:
    """Prints how many of a sweep's jobs have each status, whenever this changes."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, sweep: Sweep) -> None:
        if (now := counts_text(sweep)) != self._last:
            self._last = now
            stderr.print(now, markup=False)


def _values(name: str, text: str, *more: str) -> list[Any]:
    """Read the values of a field: ``A,B,C``, or a list as JSON.

    Each of ``A,B,C`` is a number, ``null``, ``true``, ``false`` or text. If the field accepts
    pairs, each is text or a pair instead. A pair is written as for a single job: ``owl:0.15``.
    """
    if not text.startswith("["):
        return [_value(name, part) for part in text.split(",")]
    try:
        values = read_json(text)
    except ValueError as error:
        problem = f"{text} is no list in JSON: {error}"
        raise typer.BadParameter(problem, param_hint=f"--{name}") from None
    if more:
        problem = f"{more[0]} beside a JSON list: put all values into one list"
        raise typer.BadParameter(problem, param_hint=f"--{name}")
    return list(values)


def _value(name: str, text: str) -> Any:
    option = next((field for field in JOB_FIELDS if field.name == name), None)
    return option.read_one(text) if option and option.pair else value_of(text)
