"""The command line: results go to standard output, messages to standard error."""

from importlib.metadata import version
from typing import Annotated

import typer

from zpruner.cli.commands import (
    caller_secrets,
    datasets,
    jobs,
    keys,
    operations,
    planning,
    programs,
    storage,
    triggers,
    webhooks,
)
from zpruner.cli.commands.cancel import cancel
from zpruner.cli.commands.outputs import outputs
from zpruner.cli.commands.repeat import repeat
from zpruner.cli.commands.submission import submit
from zpruner.cli.commands.trials import try_prompt
from zpruner.cli.commands.verify import verify
from zpruner.cli.job_command import JobCommand

HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(no_args_is_help=True, context_settings=HELP, pretty_exceptions_enable=False)
app.command()(keys.me)
app.command(cls=JobCommand)(submit)
app.command(name="try")(try_prompt)
app.command()(cancel)
app.command()(repeat)
app.command()(outputs)
app.command()(verify)
keys.app.command(context_settings=programs.PASS_ARGUMENTS_ON)(programs.bootstrap)
for unnamed in (jobs, programs, planning, operations, storage):
    app.add_typer(unnamed.app)
app.add_typer(datasets.app, name="datasets")
app.add_typer(keys.app, name="keys")
app.add_typer(caller_secrets.app, name="secrets")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(triggers.app, name="triggers")


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"zpruner {version('zpruner')}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
]


@app.callback()
def root(_version: VersionOption = False) -> None:
    """Prune large language models as jobs. ZPRUNER_URL names the service."""


def main() -> None:
    app()
