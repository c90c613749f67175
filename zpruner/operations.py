"""Commands for those who run a service: logs, workers, queues."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zpruner.filters import LogFilters
from zpruner.models import Worker
from zpruner.terminal import print_json, service

JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
WorkerArgument = Annotated[str, typer.Argument(help="A worker's id; `zpruner workers` shows it.")]

app = typer.Typer()


@app.command()
def logs(
    job_id: Annotated[str, typer.Argument(help="A job's id.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
    ] = False,
    attempt: Annotated[int | None, typer.Option(help="Of this attempt only.")] = None,
    level: Annotated[str | None, typer.Option(help="At least as grave: warning, error.")] = None,
    after: Annotated[str | None, typer.Option(help="Only lines behind this one's id.")] = None,
    tail: Annotated[int | None, typer.Option(help="Only the last so many.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a job's attempts logged."""
    which: LogFilters = {"attempt": attempt, "level": level, "after": after, "tail": tail}
    with service() as client:
        for line in client.jobs.logs(job_id, follow=follow, **which):
            text = f"{line.at:%F %T} {line.level} {line.logger}: {line.message}"
            typer.echo(line.model_dump_json() if as_json else text)


@app.command()
def workers(as_json: JsonOption = False) -> None:
    """List the workers."""
    with service() as client:
        found = client.workers.list()
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    table = Table("id", "name", "state", "queues", "device", "job", "heard of", box=None)
    for one in found:
        words = (one.id, one.name, one.state, ",".join(one.queues), one.device or "")
        table.add_row(*words, one.job_id or "", f"{one.heartbeat_at:%F %T}")
    Console(soft_wrap=True).print(table)


@app.command()
def queues(as_json: JsonOption = False) -> None:
    """List the queues."""
    with service() as client:
        found = client.workers.queues()
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    table = Table("name", "waiting", "running", "workers", "oldest", "devices", box=None)
    for one in found:
        oldest = "" if one.oldest_age_seconds is None else f"{one.oldest_age_seconds:.0f} s"
        figures = (str(one.depth), str(one.running), str(one.workers), oldest)
        table.add_row(one.name, *figures, ", ".join(one.devices))
    Console(soft_wrap=True).print(table)


@app.command()
def drain(worker_id: WorkerArgument, as_json: JsonOption = False) -> None:
    """Have a worker finish what it holds and take nothing new."""
    with service() as client:
        _say(client.workers.drain(worker_id), as_json)


@app.command()
def undrain(worker_id: WorkerArgument, as_json: JsonOption = False) -> None:
    """Have a worker take jobs again."""
    with service() as client:
        _say(client.workers.undrain(worker_id), as_json)


def _say(worker: Worker, as_json: bool) -> None:
    if as_json:
        print_json(worker.model_dump(mode="json"))
    else:
        typer.echo(worker.state)
