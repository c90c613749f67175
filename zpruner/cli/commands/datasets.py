"""``zpruner datasets``: datasets on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.rows import Table
from zpruner.cli.terminal import say, service
from zpruner.client.models.jobs import Dataset

app = typer.Typer(no_args_is_help=True, help="List, upload and delete datasets.")


@app.command(name="ls")
def list_datasets(as_json: JsonOption = False) -> None:
    """List what --dataset can name: those built in, then uploads, newest first."""
    with service() as client:
        datasets = client.datasets.list()
    say(datasets, as_json, _table)


@app.command()
def upload(
    path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="UTF-8 text, .jsonl or .csv.")
    ],
    name: Annotated[str | None, typer.Option(help="What people call it; the file's name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a file; what --dataset then takes is printed."""
    with service() as client:
        made = client.datasets.upload(path, name=name)
    say(made, as_json, lambda made: made.dataset)


@app.command()
def rm(
    dataset: Annotated[str, typer.Argument(help="An uploaded dataset: dat_… or uploaded:dat_…")],
) -> None:
    """Delete an uploaded dataset that no unfinished job needs."""
    with service() as client:
        client.datasets.delete(dataset)


def _table(datasets: Sequence[Dataset]) -> Table:
    table = Table("dataset", "name", "bytes", "what")
    for one in datasets:
        size = "" if one.size_bytes is None else f"{one.size_bytes:,}"
        table.add_row(one.dataset, one.name or "", size, one.description or one.media_type)
    return table
