"""The command line. Answers go to standard output, everything for people to standard error."""

import typer

from zpruner.commands import (
    datasets,
    jobs,
    keys,
    operations,
    planning,
    programs,
    triggers,
    webhooks,
)
from zpruner.commands.submission import submit

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(keys.me)
app.command()(submit)
for unnamed in (jobs, programs, planning, operations):
    app.add_typer(unnamed.app)
app.add_typer(datasets.app, name="datasets")
app.add_typer(keys.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(triggers.app, name="triggers")


@app.callback()
def root() -> None:
    """Prune large language models as jobs. ZPRUNER_URL names the service."""


def main() -> None:
    """Run the command line."""
    app()
