"""The command ``zpruner outputs``."""

from collections.abc import Sequence
from typing import Annotated

import typer

from zpruner.cli.options import JobArgument, JsonOption
from zpruner.cli.tables import size_text
from zpruner.cli.terminal import connect, print_response
from zpruner.cli.text_table import Table
from zpruner.client.models.jobs import Output


def outputs(
    job_id: JobArgument,
    cancel: Annotated[
        int | None, typer.Option(metavar="N", help="Cancel the output of this number.")
    ] = None,
    retry: Annotated[
        int | None, typer.Option(metavar="N", help="Send the output of this number again.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a job's result is sent, and how far; or cancel an output, or send it again."""
    with connect() as client:
        if cancel is not None:
            client.jobs.cancel_output(job_id, cancel)
        if retry is not None:
            client.jobs.retry_output(job_id, retry)
        rows = client.jobs.outputs(job_id)
    print_response(rows, as_json, _table)


def _table(rows: Sequence[Output]) -> Table:
    table = Table("n", "target", "state", "sent", "attempts", "result")
    for output in rows:
        sent = (
            f"{size_text(output.progress.bytes_sent)} of {size_text(output.progress.bytes_total)}"
        )
        reason = output.error.detail if output.error else ""
        table.add_row(
            str(output.index),
            _name(output),
            output.state,
            sent,
            str(output.attempts),
            output.url or reason,
        )
    return table


def _name(output: Output) -> str:
    """Return the target's name, such as ``hub org/name``."""
    kind = next((name for name in ("hub", "s3", "mlflow") if name in output.target), "")
    return f"{kind} {output.target.get(kind, '')}"
