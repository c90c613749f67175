"""Follow a job with a progress bar on standard error."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from demo.errors import DemoError
from zpruner import Client
from zpruner.client.job import Job


def follow(client: Client, job: Job, console: Console) -> Job:
    """Wait until a job has succeeded, and return it.

    Raises:
        DemoError: the job did not succeed; the message includes the job's error.
    """
    columns = (TextColumn("{task.description:>24}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task(job.status, total=1)

        def show(job: Job) -> None:
            progress.update(bar, completed=job.progress.fraction, description=_stage(job))

        try:
            job = client.jobs.wait(job.id, on_change=show)
        except KeyboardInterrupt:
            client.jobs.cancel(job.id)  # or the next demo would run it before its own job
            raise
    if job.status != "succeeded":
        reason = job.error.detail if job.error else "no reason given"
        raise DemoError(f"{job.id} {job.status}: {reason}")
    return job


def _stage(job: Job) -> str:
    block = job.progress.block
    if job.phase != "pruning" or block is None:
        return job.phase or job.status
    return f"pruning {block.index + 1} of {block.total}"
