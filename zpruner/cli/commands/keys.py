"""``zpruner keys``: keys on the command line."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.rows import Table
from zpruner.cli.terminal import people, say, service
from zpruner.client.models.keys import Key, Me, NewKey

KeyArgument = Annotated[str, typer.Argument(help="A key's id: key_…")]

app = typer.Typer(no_args_is_help=True, help="Make, list, rotate and revoke keys (admins).")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="jobs:read, jobs:write, artifacts:read; all three by default."),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Everything, making keys too.")] = False,
    expires_at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="2027-01-05T09:30:00Z.")
    ] = None,
    jobs_in_flight: Annotated[int | None, typer.Option(help="Jobs at once.")] = None,
    gpu_hours: Annotated[float | None, typer.Option(help="Hours in thirty days.")] = None,
    artifact_bytes: Annotated[int | None, typer.Option(help="Bytes of files kept.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; the key itself, which nothing shows again, is printed."""
    bounds = {"gpu_hours": gpu_hours, "artifact_bytes": artifact_bytes}
    scopes = [*(scope or ()), "admin"] if admin else scope
    with service() as client:
        made = client.keys.create(
            name, scopes, expires_at=expires_at, jobs_in_flight=jobs_in_flight, **bounds
        )
    _say_secret(made, as_json)


@app.command(name="ls")
def list_keys(as_json: JsonOption = False) -> None:
    """List all keys, newest first."""
    with service() as client:
        keys = client.keys.list()
    say(keys, as_json, _table)


@app.command()
def revoke(key_id: KeyArgument, as_json: JsonOption = False) -> None:
    """End a key at once."""
    with service() as client:
        key = client.keys.revoke(key_id)
    say(key, as_json, _end)


@app.command()
def rotate(
    key_id: KeyArgument,
    grace_s: Annotated[
        int | None, typer.Option(help="Seconds for which the old secret still opens; a day.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new secret, which is printed."""
    with service() as client:
        made = client.keys.rotate(key_id, grace_s=grace_s)
    _say_secret(made, as_json)
    if made.former_until is not None:
        people.print(f"the old one opens until {_when(made.former_until)}", markup=False)


def me(as_json: JsonOption = False) -> None:
    """Say who ZPRUNER_API_KEY is, and what is used of its quotas."""
    with service() as client:
        found = client.me()
    say(found, as_json, _identity)


def _say_secret(made: NewKey, as_json: bool) -> None:
    note = f"{made.id} for {made.name}; keep it, nothing shows it again:"
    say(made, as_json, lambda made: made.key, [note])


def _table(keys: Sequence[Key]) -> Table:
    table = Table("id", "name", "scopes", "last used", "ends")
    for key in keys:
        table.add_row(key.id, key.name, " ".join(key.scopes), _when(key.last_used_at), _end(key))
    return table


def _identity(found: Me) -> str:
    lines = [f"{found.name}: {' '.join(found.scopes)}"]
    for name, share in (found.quotas or {}).items():
        bound = "no bound" if share.allowed is None else f"of {share.allowed:,g}"
        lines.append(f"  {name}: {share.used:,g}, {bound}")
    return "\n".join(lines)


def _end(key: Key) -> str:
    if key.revoked_at is not None:
        return f"revoked {_when(key.revoked_at)}"
    return _when(key.expires_at)


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%F %T}"
