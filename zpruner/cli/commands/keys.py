"""The commands of ``zpruner keys``, and the command ``zpruner me``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from zpruner.cli.options import GraceOption, JsonOption
from zpruner.cli.terminal import connect, print_response, print_secret
from zpruner.cli.text_table import Table
from zpruner.cli.values import check_finite
from zpruner.client.models.keys import Key, Me, NewKey, Quotas

KeyArgument = Annotated[str, typer.Argument(help="The id of a key: key_…")]

JobsOption = Annotated[int | None, typer.Option(help="Quota of jobs at once.")]
HoursOption = Annotated[float | None, typer.Option(help="Quota of GPU hours in thirty days.")]
BytesOption = Annotated[int | None, typer.Option(help="Quota of stored bytes.")]
CostOption = Annotated[float | None, typer.Option(help="Budget for each calendar month.")]

app = typer.Typer(no_args_is_help=True, help="Create, list, rotate and revoke keys (admins only).")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The owner of the key.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="jobs:read, jobs:write, artifacts:read; all three by default."),
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Allow everything, creating keys included.")
    ] = False,
    expires_at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z"], help="When the key expires: 2027-01-05T09:30:00Z."
        ),
    ] = None,
    jobs_in_flight: JobsOption = None,
    gpu_hours: HoursOption = None,
    artifact_bytes: BytesOption = None,
    monthly_cost: CostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and print it; it is never shown again."""
    quotas = _quotas(jobs_in_flight, gpu_hours, artifact_bytes, monthly_cost)
    scopes = [*(scope or ()), "admin"] if admin else scope
    with connect() as client:
        made = client.keys.create(name, scopes, expires_at=expires_at, **quotas)
    _print_secret(made, as_json)


@app.command(name="ls")
def list_keys(as_json: JsonOption = False) -> None:
    """List all keys, newest first."""
    with connect() as client:
        keys = client.keys.list()
    print_response(keys, as_json, _table)


@app.command()
def limit(
    key_id: KeyArgument,
    jobs_in_flight: JobsOption = None,
    gpu_hours: HoursOption = None,
    artifact_bytes: BytesOption = None,
    monthly_cost: CostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the quotas of a key that are given."""
    quotas = _quotas(jobs_in_flight, gpu_hours, artifact_bytes, monthly_cost)
    given = {name: value for name, value in quotas.items() if value is not None}
    with connect() as client:
        key = client.keys.limit(key_id, **given)
    print_response(key, as_json, lambda key: _bounds(key.quotas))


@app.command()
def revoke(key_id: KeyArgument, as_json: JsonOption = False) -> None:
    """Revoke a key immediately."""
    with connect() as client:
        key = client.keys.revoke(key_id)
    print_response(key, as_json, _end)


@app.command()
def rotate(
    key_id: KeyArgument,
    grace_s: GraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a key's secret and print the new one."""
    with connect() as client:
        made = client.keys.rotate(key_id, grace_s=grace_s)
    _print_secret(made, as_json)


def me(as_json: JsonOption = False) -> None:
    """Show the owner and scopes of ZPRUNER_API_KEY, and how much of its quotas is used."""
    with connect() as client:
        identity = client.me()
    print_response(identity, as_json, _identity)


def _quotas(
    jobs: int | None, gpu_hours: float | None, artifact_bytes: int | None, cost: float | None
) -> dict[str, float | None]:
    """Return the quotas as fields of a request."""
    check_finite(gpu_hours, "--gpu-hours")
    check_finite(cost, "--monthly-cost")
    quotas = {"jobs_in_flight": jobs, "artifact_bytes": artifact_bytes}
    return quotas | {"gpu_hours": gpu_hours, "monthly_cost": cost}


def _print_secret(made: NewKey, as_json: bool) -> None:
    note = f"{made.id} for {made.name}; store it, it is never shown again:"
    print_secret(made, made.key, as_json, note)


def _table(keys: Sequence[Key]) -> Table:
    table = Table("id", "name", "scopes", "last used", "expires")
    for key in keys:
        table.add_row(key.id, key.name, " ".join(key.scopes), _when(key.last_used_at), _end(key))
    return table


def _identity(identity: Me) -> str:
    lines = [f"{identity.name}: {' '.join(identity.scopes)}"]
    for name, share in (identity.quotas or {}).items():
        bound = "unlimited" if share.allowed is None else f"of {share.allowed:,g}"
        lines.append(f"  {name}: {share.used:,g}, {bound}")
    return "\n".join(lines)


def _bounds(quotas: Quotas) -> str:
    given = quotas.model_dump(exclude_none=True).items()
    return ", ".join(f"{name} {value:,g}" for name, value in given) or "no limits"


def _end(key: Key) -> str:
    if key.revoked_at is not None:
        return f"revoked {_when(key.revoked_at)}"
    return _when(key.expires_at)


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%F %T}"
