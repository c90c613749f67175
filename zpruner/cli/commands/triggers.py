"""``zpruner triggers``: triggers on the command line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.rows import Table
from zpruner.cli.screen import preview_text
from zpruner.cli.terminal import people, say, service
from zpruner.client.models.triggers import NewTrigger, Trigger, TriggerDelivery, TriggerTest

TriggerArgument = Annotated[str, typer.Argument(help="A trigger's id: trg_…")]
JobOption = Annotated[str, typer.Option(help="The job's fields, as JSON or @FILE.")]
FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", help="POINTER=VALUE in a payload; the same pointer again means or."),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", help="FIELD=POINTER: what fills a field of the job, or labels.NAME."),
]

app = typer.Typer(no_args_is_help=True, help="Have other systems start jobs (admins).")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="For whoever reads the list.")],
    source: Annotated[
        str, typer.Argument(help="huggingface, mlflow, github, standard or generic.")
    ],
    job: JobOption,
    filter_: FilterOption = None,
    map_: MapOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a trigger; its secret, which nothing shows again, is printed."""
    template, wanted, mapped = _read(job, "--job"), _filter(filter_), _map(map_)
    with service() as client:
        made = client.triggers.create(name, source, template, filter=wanted, map=mapped)
    _say_secret(made, as_json)


@app.command(name="ls")
def list_triggers(as_json: JsonOption = False) -> None:
    """List all triggers, newest first."""
    with service() as client:
        triggers = client.triggers.list()
    say(triggers, as_json, _table)


@app.command()
def get(trigger_id: TriggerArgument, as_json: JsonOption = False) -> None:
    """Show one trigger."""
    with service() as client:
        say(client.triggers.get(trigger_id), as_json, _text)


@app.command()
def update(
    trigger_id: TriggerArgument,
    name: Annotated[str | None, typer.Option(help="What it is called from now on.")] = None,
    job: Annotated[str | None, typer.Option(help="All of the job's fields, or @FILE.")] = None,
    filter_: FilterOption = None,
    map_: MapOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given, each as a whole, and nothing else."""
    given = {"name": name, "filter": _filter(filter_), "map": _map(map_)}
    changes = {field: value for field, value in given.items() if value}
    if job is not None:
        changes["job"] = _read(job, "--job")
    with service() as client:
        say(client.triggers.update(trigger_id, **changes), as_json, _text)


@app.command()
def rm(trigger_id: TriggerArgument) -> None:
    """Delete a trigger with the record of its calls; the jobs stay."""
    with service() as client:
        client.triggers.delete(trigger_id)


@app.command()
def rotate(
    trigger_id: TriggerArgument,
    grace_s: Annotated[
        int | None, typer.Option(help="Seconds for which the old secret is good, too; a day.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a trigger a new secret, which is printed."""
    with service() as client:
        made = client.triggers.rotate(trigger_id, grace_s=grace_s)
    _say_secret(made, as_json)
    if made.former_until is not None:
        people.print(f"the old one is good until {made.former_until:%F %T}", markup=False)


@app.command(name="test")
def try_out(
    trigger_id: TriggerArgument,
    payload: Annotated[str, typer.Argument(help="What would be sent, as JSON or @FILE.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a call would start; nothing starts."""
    sent = _read(payload, "PAYLOAD")
    with service() as client:
        say(client.triggers.test(trigger_id, sent), as_json, _test_text)


@app.command()
def deliveries(trigger_id: TriggerArgument, limit: int = 20, as_json: JsonOption = False) -> None:
    """List the calls that proved themselves, newest first."""
    with service() as client:
        found = client.triggers.deliveries(trigger_id, limit=limit)
    say(found, as_json, _deliveries_table)


def _read(written: str, place: str) -> Any:
    """Read JSON, or the file that is named behind an ``@``."""
    try:
        is_file = written.startswith("@")
        return json.loads(Path(written[1:]).read_text("utf-8") if is_file else written)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"no JSON: {error}", param_hint=place) from None


def _filter(written: Sequence[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pointer, value in _pairs(written, "--filter"):
        found.setdefault(pointer, []).append(_value(value))
    return {pointer: one if len(one) > 1 else one[0] for pointer, one in found.items()}


def _map(written: Sequence[str] | None) -> dict[str, str]:
    return dict(_pairs(written, "--map"))


def _pairs(written: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = [one.partition("=") for one in written or ()]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(f"{wrong[0]} is not NAME=VALUE", param_hint=option)
    return [(name, value) for name, _, value in pairs]


def _value(written: str) -> Any:
    """Read a number, true, false or null; everything else is text."""
    try:
        value = json.loads(written)
    except ValueError:
        return written
    return value if isinstance(value, int | float | str | None) else written


def _say_secret(made: NewTrigger, as_json: bool) -> None:
    note = f"{made.id}, called at {made.hook}; keep its secret, nothing shows it again:"
    say(made, as_json, lambda made: made.secret, [note])


def _text(trigger: Trigger) -> str:
    lines = [f"{trigger.id} {trigger.name}: {trigger.source}, POST {trigger.hook}"]
    lines += [f"if {pointer} is {json.dumps(one)}" for pointer, one in trigger.filter.items()]
    lines += [f"{name}: {json.dumps(value)}" for name, value in trigger.job.items()]
    lines += [f"{name}: from {pointer}" for name, pointer in trigger.map.items()]
    return "\n  ".join(lines)


def _test_text(tried: TriggerTest) -> str:
    return f"would be ignored: {tried.reason}" if tried.job is None else preview_text(tried.job)


def _table(triggers: Sequence[Trigger]) -> Table:
    table = Table("id", "name", "source", "made")
    for one in triggers:
        table.add_row(one.id, one.name, one.source, f"{one.created_at:%F %T}")
    return table


def _deliveries_table(deliveries: Sequence[TriggerDelivery]) -> Table:
    table = Table("at", "outcome", "job", "why", "delivery")
    for one in deliveries:
        why = one.reason or (one.problem.detail if one.problem is not None else "")
        table.add_row(f"{one.created_at:%F %T}", one.outcome, one.job_id, why, one.delivery_id)
    return table
