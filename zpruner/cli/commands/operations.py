"""Commands for those who run a service: logs, workers, queues."""

from collections.abc import Sequence
from typing import Annotated

import typer

from zpruner.cli.options import FollowOption, JobArgument, JsonOption
from zpruner.cli.rows import Table
from zpruner.cli.terminal import say, service
from zpruner.client.filters import LogFilters
from zpruner.client.models.jobs import Queue, Worker

WorkerArgument = Annotated[str, typer.Argument(help="A worker's id; `zpruner workers` shows it.")]

app = typer.Typer()


@app.command()
def logs(
    job_id: JobArgument,
    follow: FollowOption = False,
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
    say(found, as_json, _workers_table)


@app.command()
def queues(as_json: JsonOption = False) -> None:
    """List the queues."""
    with service() as client:
        found = client.workers.queues()
    say(found, as_json, _queues_table)


@app.command()
def drain(worker_id: WorkerArgument, as_json: JsonOption = False) -> None:
    """Have a worker finish what it holds and take nothing new."""
    with service() as client:
        say(client.workers.drain(worker_id), as_json, lambda worker: worker.state)


@app.command()
def undrain(worker_id: WorkerArgument, as_json: JsonOption = False) -> None:
    """Have a worker take jobs again."""
    with service() as client:
        say(client.workers.undrain(worker_id), as_json, lambda worker: worker.state)


def _workers_table(workers: Sequence[Worker]) -> Table:
    table = Table("id", "name", "state", "queues", "device", "job", "heard of")
    for one in workers:
        words = (one.id, one.name, one.state, ",".join(one.queues), one.device or "")
        table.add_row(*words, one.job_id or "", f"{one.heartbeat_at:%F %T}")
    return table


def _queues_table(queues: Sequence[Queue]) -> Table:
    table = Table("name", "waiting", "running", "workers", "oldest", "devices")
    for one in queues:
        oldest = "" if one.oldest_age_seconds is None else f"{one.oldest_age_seconds:.0f} s"
        figures = (str(one.depth), str(one.running), str(one.workers), oldest)
        table.add_row(one.name, *figures, ", ".join(one.devices))
    return table
