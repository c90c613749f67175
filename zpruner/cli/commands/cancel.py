"""The command ``zpruner cancel``."""

from typing import Annotated

import typer

from zpruner.cli.display import cancelled_text
from zpruner.cli.exit_codes import NOT_FOUND, OK
from zpruner.cli.options import JsonOption
from zpruner.cli.requests import pair_of
from zpruner.cli.terminal import connect, print_response
from zpruner.client.filters import CancelFilters

OPTIONS = {"q": "--search"}
"""Options that are not named after their filter."""


def cancel(
    job_ids: Annotated[list[str] | None, typer.Argument(help="The ids of jobs.")] = None,
    status: Annotated[list[str] | None, typer.Option(help="A status; may be repeated.")] = None,
    model: Annotated[str | None, typer.Option(help="A model, as in the request.")] = None,
    sweep: Annotated[str | None, typer.Option(help="Points of this sweep.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="name=value; may be repeated, all must match."),
    ] = None,
    q: Annotated[
        str | None, typer.Option("--search", "-q", help="Part of a name, a model or a label.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel jobs: those with the ids, or all that match the options and have not ended."""
    filters: CancelFilters = {"status": status, "model": model, "sweep": sweep, "q": q}
    filters["labels"] = dict(pair_of(text, "--label") for text in label or ())
    _refuse_empty(filters)
    if bool(job_ids) == any(filters.values()):
        problem = "name either ids of jobs, or a filter such as --status queued or --label team=nlp"
        raise typer.BadParameter(problem, param_hint="JOB_IDS")
    with connect() as client:
        if job_ids and len(job_ids) == 1:
            job = client.jobs.cancel(job_ids[0])
            print_response(job, as_json, lambda job: job.status)
            return
        done = client.jobs.cancel_several(job_ids or None, **filters)
    notes = ["more jobs match: run the command again"] if done.has_more else []
    print_response(done, as_json, cancelled_text, notes)
    raise typer.Exit(NOT_FOUND if done.missing else OK)


def _refuse_empty(filters: CancelFilters) -> None:
    """Refuse an empty value, as an unset variable of a shell gives: more jobs would match."""
    for name, value in filters.items():
        if value == "" or (isinstance(value, list) and "" in value):
            problem = "the value is empty: give one, or leave the option out"
            raise typer.BadParameter(problem, param_hint=OPTIONS.get(name, f"--{name}"))
