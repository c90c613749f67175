"""Commands that become another program, for which more must be installed than for a client."""

import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import NoReturn

import typer

from zpruner.cli.terminal import USAGE, people
from zpruner.programs import command, environment

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
API = ("sqlalchemy", "fastapi", "uvicorn")
WORKER = ("sqlalchemy", "celery", "torch", "transformers")

app = typer.Typer()
part = typer.Typer(no_args_is_help=True, help="Run one part of the service by itself.")
app.add_typer(part, name="part")


@app.command(context_settings=PASSED_ON)
def serve(context: typer.Context) -> None:
    """Run the whole service on this machine; --help shows how."""
    _become("serve", context, dict.fromkeys((*API, *WORKER)), "embedded")


@app.command(context_settings=PASSED_ON)
def prune(context: typer.Context) -> None:
    """Prune a model without a service; --help shows how."""
    _become("prune", context, ("torch", "transformers"), "worker")


@app.command(context_settings=PASSED_ON)
def doctor(context: typer.Context) -> None:
    """Check the settings and this machine without starting anything; --help shows how."""
    _become("doctor", context, ("sqlalchemy", "celery"), "embedded")


@part.command(context_settings=PASSED_ON)
def migrate(context: typer.Context) -> None:
    """Bring the database's tables up to date."""
    _become("migrate", context, ("sqlalchemy",), "service")


@part.command(context_settings=PASSED_ON)
def api(context: typer.Context) -> None:
    """Serve the API; --help shows its options."""
    _become("api", context, API, "api")


@part.command(context_settings=PASSED_ON)
def worker(context: typer.Context) -> None:
    """Take jobs from queues; --help shows its options."""
    _become("worker", context, WORKER, "worker")


@part.command(context_settings=PASSED_ON)
def control(context: typer.Context) -> None:
    """Repair, schedule, estimate and send webhooks; a service has one such process."""
    _become("control", context, WORKER, "worker")


@part.command(context_settings=PASSED_ON)
def ping(context: typer.Context) -> None:
    """Exit with 0 if a worker of this host answers, by its name: gpu or control."""
    _become("ping", context, WORKER, "worker")


def bootstrap(context: typer.Context) -> None:
    """Make the first admin key, in the database itself: needs no running service and no key."""
    _become("keys", context, ("sqlalchemy",), "service")


def _become(program: str, context: typer.Context, needs: Iterable[str], extra: str) -> NoReturn:
    """Replace this process by a program that needs more than a client has."""
    if missing := [name for name in needs if find_spec(name) is None]:
        people.print(
            f"{', '.join(missing)} not installed: pip install 'zpruner[{extra}]'", markup=False
        )
        raise typer.Exit(USAGE)
    words = command(program, *context.args)
    os.execve(words[0], words, environment())  # noqa: S606 - our own program
