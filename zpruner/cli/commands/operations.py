"""Commands for operators: logs, workers and queues."""

from collections.abc import Sequence
from typing import Annotated

import typer

from zpruner.cli.options import FollowOption, JobArgument, JsonOption
from zpruner.cli.terminal import connect, print_response
from zpruner.cli.text_table import Table
from zpruner.client.filters import LogFilters
from zpruner.client.models.jobs import Queue, Worker

WorkerArgument = Annotated[
    str, typer.Argument(help="The id of a worker, as `zpruner workers` lists it.")
]

app = typer.Typer()


@app.command()
def logs(
    job_id: JobArgument,
    follow: FollowOption = False,
    attempt: Annotated[int | None, typer.Option(help="Only lines of this attempt.")] = None,
    level: Annotated[
        str | None, typer.Option(help="Only lines of at least this level: warning, error.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="Only lines after the line with this id.")
    ] = None,
    tail: Annotated[int | None, typer.Option(help="Only this many last lines.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the log of a job."""
    filters: LogFilters = {"attempt": attempt, "level": level, "after": after, "tail": tail}
    with connect() as client:
        for line in client.jobs.logs(job_id, follow=follow, **filters):
            text = f"{line.at:%F %T} {line.level} {line.logger}: {line.message}"
            typer.echo(line.model_dump_json() if as_json else text)


@app.command()
def workers(as_json: JsonOption = False) -> None:
    """List the workers."""
    with connect() as client:
        rows = client.workers.list()
    print_response(rows, as_json, _workers_table)


@app.command()
def queues(as_json: JsonOption = False) -> None:
    """List the queues."""
    with connect() as client:
        rows = client.workers.queues()
    print_response(rows, as_json, _queues_table)


@app.command()
def drain(worker_id: WorkerArgument, as_json: JsonOption = False) -> None:
    """Let a worker finish its job and claim no new one."""
    with connect() as client:
        print_response(client.workers.drain(worker_id), as_json, lambda worker: worker.state)


@app.command()
def undrain(worker_id: WorkerArgument, as_json: JsonOption = False) -> None:
    """Let a drained worker claim jobs again."""
    with connect() as client:
        print_response(client.workers.undrain(worker_id), as_json, lambda worker: worker.state)


def _workers_table(workers: Sequence[Worker]) -> Table:
    table = Table("id", "name", "state", "queues", "device", "job", "last heartbeat", "extras")
    for worker in workers:
        cells = (worker.id, worker.name, worker.state, ",".join(worker.queues), worker.device or "")
        extras = ",".join(worker.extras or ())
        table.add_row(*cells, worker.job_id or "", f"{worker.heartbeat_at:%F %T}", extras)
    return table


def _queues_table(queues: Sequence[Queue]) -> Table:
    table = Table("name", "waiting", "running", "workers", "oldest", "devices")
    for queue in queues:
        oldest = "" if queue.oldest_age_seconds is None else f"{queue.oldest_age_seconds:.0f} s"
        figures = (str(queue.depth), str(queue.running), str(queue.workers), oldest)
        table.add_row(queue.name, *figures, ", ".join(queue.devices))
    return table
