"""The commands of ``zpruner secrets``."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.terminal import connect, print_response
from zpruner.cli.text_table import Table
from zpruner.client.models.keys import Secret

NameArgument = Annotated[str, typer.Argument(help="The name, as jobs use it.")]

app = typer.Typer(
    no_args_is_help=True, help="Store, list and delete secrets, such as tokens of the model hub."
)


@app.command(name="set")
def set_value(name: NameArgument, as_json: JsonOption = False) -> None:
    """Store a secret, or replace its value, which is read from standard input or a prompt."""
    is_typed = sys.stdin.isatty()
    value = typer.prompt("Value", hide_input=True, err=True) if is_typed else sys.stdin.read()
    with connect() as client:
        secret = client.secrets.set(name, value.strip())
    print_response(secret, as_json, lambda secret: secret.name)


@app.command(name="ls")
@app.command(name="list", hidden=True)
def list_secrets(as_json: JsonOption = False) -> None:
    """List the names of your secrets; an admin sees those of all keys."""
    with connect() as client:
        secrets = client.secrets.list()
    print_response(secrets, as_json, _table)


@app.command()
@app.command(name="delete", hidden=True)
def rm(
    name: NameArgument,
    key: Annotated[
        str | None,
        typer.Option(help="For an admin: the key that it belongs to, or none; by default yours."),
    ] = None,
) -> None:
    """Delete a secret; jobs that still need it will fail."""
    with connect() as client:
        client.secrets.delete(name, key_id=key)


def _table(secrets: Sequence[Secret]) -> Table:
    table = Table("name", "key", "set", "last used")
    for secret in secrets:
        last_set = secret.replaced_at or secret.created_at
        table.add_row(secret.name, secret.created_by, _when(last_set), _when(secret.last_used_at))
    return table


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%F %T}"
