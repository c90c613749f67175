"""Commands that become another program, for which more must be installed than for a client."""

import os
import sys
from importlib.util import find_spec
from typing import NoReturn

import typer

from zpruner.terminal import USAGE, people

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer()


@app.command(context_settings=PASSED_ON)
def serve(context: typer.Context) -> None:
    """Run the whole service on this machine; --help shows how."""
    needs = ("sqlalchemy", "fastapi", "uvicorn", "celery", "torch")
    _become("zpruner.serve", context.args, needs, "embedded")


@app.command(context_settings=PASSED_ON)
def prune(context: typer.Context) -> None:
    """Prune a model without a service; --help shows how."""
    _become("worker.command", context.args, ("torch", "transformers"), "worker")


@app.command(context_settings=PASSED_ON)
def doctor(context: typer.Context) -> None:
    """Check the settings and this machine without starting anything; --help shows how."""
    _become("zpruner.doctor", context.args, ("sqlalchemy", "celery"), "embedded")


def _become(module: str, arguments: list[str], needs: tuple[str, ...], extra: str) -> NoReturn:
    """Replace this process by a module that needs more than a client has."""
    if missing := [name for name in needs if find_spec(name) is None]:
        people.print(
            f"{', '.join(missing)} not installed: pip install 'zpruner[{extra}]'", markup=False
        )
        raise typer.Exit(USAGE)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our module
