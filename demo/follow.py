"""Watch a job until it ends, with a bar on standard error."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from demo.errors import DemoError
from zpruner import Client
from zpruner.client.job import Job


def follow(client: Client, job: Job, console: Console) -> Job:
    """Return the job once it has succeeded.

    Raises:
        DemoError: it ended in any other way; the text is the job's own problem.
    """
    columns = (TextColumn("{task.description:>24}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task(job.status, total=1)

        def show(now: Job) -> None:
            progress.update(bar, completed=now.progress.fraction, description=_doing(now))

        try:
            job = client.jobs.wait(job.id, on_change=show)
        except KeyboardInterrupt:
            client.jobs.cancel(job.id)  # or the next demo would find it queued before its own
            raise
    if job.status != "succeeded":
        reason = job.error.detail if job.error else "no reason given"
        raise DemoError(f"{job.id} {job.status}: {reason}")
    return job


def _doing(job: Job) -> str:
    block = job.progress.block
    if job.phase != "pruning" or block is None:
        return job.phase or job.status
    return f"pruning {block.index + 1} of {block.total}"
