"""The commands of ``zpruner datasets``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.terminal import connect, print_response
from zpruner.cli.text_table import Table
from zpruner.client.models.jobs import Dataset

app = typer.Typer(no_args_is_help=True, help="List, upload and delete datasets.")


@app.command(name="ls")
def list_datasets(as_json: JsonOption = False) -> None:
    """List the built-in datasets, then the uploads, newest first; --dataset accepts all of them."""
    with connect() as client:
        datasets = client.datasets.list()
    print_response(datasets, as_json, _table)


@app.command()
def upload(
    path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="UTF-8 text, .jsonl or .csv.")
    ],
    name: Annotated[
        str | None, typer.Option(help="A name to show; by default the file's name.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a file, and print the value of --dataset that selects it."""
    with connect() as client:
        dataset = client.datasets.upload(path, name=name)
    print_response(dataset, as_json, lambda dataset: dataset.dataset)


@app.command()
def rm(
    dataset: Annotated[str, typer.Argument(help="An uploaded dataset: dat_… or uploaded:dat_…")],
) -> None:
    """Delete an uploaded dataset; this fails while an unfinished job uses it."""
    with connect() as client:
        client.datasets.delete(dataset)


def _table(datasets: Sequence[Dataset]) -> Table:
    table = Table("dataset", "name", "bytes", "description")
    for dataset in datasets:
        size = "" if dataset.size_bytes is None else f"{dataset.size_bytes:,}"
        table.add_row(
            dataset.dataset, dataset.name or "", size, dataset.description or dataset.media_type
        )
    return table
