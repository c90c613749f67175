"""The commands of ``zpruner triggers``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from zpruner.cli.display import preview_text
from zpruner.cli.options import GraceOption, JsonOption, LimitOption
from zpruner.cli.terminal import connect, print_response, print_secret
from zpruner.cli.text_table import Table
from zpruner.cli.values import read_json
from zpruner.client.models.triggers import NewTrigger, Trigger, TriggerDelivery, TriggerTest

TriggerArgument = Annotated[str, typer.Argument(help="The id of a trigger: trg_…")]
JobOption = Annotated[str, typer.Option(help="The fields of the job, as JSON or @FILE.")]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="POINTER=VALUE that a payload must have; repeat a pointer to allow several values.",
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map", help="FIELD=POINTER: set a field of the job, or labels.NAME, from the payload."
    ),
]

app = typer.Typer(no_args_is_help=True, help="Let other systems start jobs (admins only).")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name to show in lists.")],
    source: Annotated[
        str, typer.Argument(help="The kind of system that calls it, such as github or generic.")
    ],
    job: JobOption,
    filter_: FilterOption = None,
    map_: MapOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a trigger and print its secret, which is never shown again."""
    template, required, mapped = _read(job, "--job"), _filter(filter_), _map(map_)
    with connect() as client:
        made = client.triggers.create(name, source, template, filter=required, map=mapped)
    _print_secret(made, as_json)


@app.command(name="ls")
def list_triggers(as_json: JsonOption = False) -> None:
    """List all triggers, newest first."""
    with connect() as client:
        triggers = client.triggers.list()
    print_response(triggers, as_json, _table)


@app.command()
def get(trigger_id: TriggerArgument, as_json: JsonOption = False) -> None:
    """Show one trigger."""
    with connect() as client:
        print_response(client.triggers.get(trigger_id), as_json, _text)


@app.command()
def update(
    trigger_id: TriggerArgument,
    name: Annotated[str | None, typer.Option(help="The new name.")] = None,
    job: Annotated[
        str | None, typer.Option(help="All fields of the job, as JSON or @FILE.")
    ] = None,
    filter_: FilterOption = None,
    map_: MapOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the given parts of a trigger."""
    given = {"name": name, "filter": _filter(filter_), "map": _map(map_)}
    changes = {field: value for field, value in given.items() if value}
    if job is not None:
        changes["job"] = _read(job, "--job")
    with connect() as client:
        print_response(client.triggers.update(trigger_id, **changes), as_json, _text)


@app.command()
def rm(trigger_id: TriggerArgument) -> None:
    """Delete a trigger and its deliveries; its jobs are kept."""
    with connect() as client:
        client.triggers.delete(trigger_id)


@app.command()
def rotate(
    trigger_id: TriggerArgument,
    grace_s: GraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a trigger's secret and print the new one."""
    with connect() as client:
        made = client.triggers.rotate(trigger_id, grace_s=grace_s)
    _print_secret(made, as_json)


@app.command(name="test")
def try_out(
    trigger_id: TriggerArgument,
    payload: Annotated[str, typer.Argument(help="The payload, as JSON or @FILE.")],
    as_json: JsonOption = False,
) -> None:
    """Show the job that a call with this payload would start, without starting it."""
    sent = _read(payload, "PAYLOAD")
    with connect() as client:
        print_response(client.triggers.test(trigger_id, sent), as_json, _test_text)


@app.command()
def deliveries(
    trigger_id: TriggerArgument, limit: LimitOption = 20, as_json: JsonOption = False
) -> None:
    """List the authenticated calls to a trigger, newest first."""
    with connect() as client:
        rows = client.triggers.deliveries(trigger_id, limit=limit)
    print_response(rows, as_json, _deliveries_table)


def _read(text: str, option: str) -> Any:
    """Read JSON, from a file if the argument is ``@FILE``."""
    try:
        return read_json(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except OSError as error:
        problem = f"{text[1:]} cannot be read: {error.strerror}; name a JSON file after @"
    except ValueError as error:
        problem = f"not valid JSON: {error}"
    raise typer.BadParameter(problem, param_hint=option)


def _filter(pairs: Sequence[str] | None) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    for pointer, value in _pairs(pairs, "--filter"):
        conditions.setdefault(pointer, []).append(_value(value))
    return {
        pointer: values if len(values) > 1 else values[0] for pointer, values in conditions.items()
    }


def _map(pairs: Sequence[str] | None) -> dict[str, str]:
    return dict(_pairs(pairs, "--map"))


def _pairs(pairs: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    parts = [pair.partition("=") for pair in pairs or ()]
    if wrong := [name for name, equals, _ in parts if not equals]:
        raise typer.BadParameter(f"{wrong[0]} is not NAME=VALUE", param_hint=option)
    return [(name, value) for name, _, value in parts]


def _value(text: str) -> Any:
    """Read a number, string, true, false or null as JSON; anything else is text."""
    try:
        value = read_json(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | str | None) else text


def _print_secret(made: NewTrigger, as_json: bool) -> None:
    note = f"{made.id}, called at {made.hook}; store its secret, it is never shown again:"
    print_secret(made, made.secret, as_json, note)


def _text(trigger: Trigger) -> str:
    lines = [f"{trigger.id} {trigger.name}: {trigger.source}, POST {trigger.hook}"]
    lines += [f"if {pointer} is {json.dumps(value)}" for pointer, value in trigger.filter.items()]
    lines += [f"{name}: {json.dumps(value)}" for name, value in trigger.job.items()]
    lines += [f"{name}: from {pointer}" for name, pointer in trigger.map.items()]
    return "\n  ".join(lines)


def _test_text(tried: TriggerTest) -> str:
    return f"would be ignored: {tried.reason}" if tried.job is None else preview_text(tried.job)


def _table(triggers: Sequence[Trigger]) -> Table:
    table = Table("id", "name", "source", "created")
    for trigger in triggers:
        table.add_row(trigger.id, trigger.name, trigger.source, f"{trigger.created_at:%F %T}")
    return table


def _deliveries_table(deliveries: Sequence[TriggerDelivery]) -> Table:
    table = Table("at", "outcome", "job", "reason", "delivery")
    for delivery in deliveries:
        reason = delivery.reason or (
            delivery.problem.detail if delivery.problem is not None else ""
        )
        table.add_row(
            f"{delivery.created_at:%F %T}",
            delivery.outcome,
            delivery.job_id,
            reason,
            delivery.delivery_id,
        )
    return table
