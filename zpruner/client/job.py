"""A job, with what can be done about it."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Generic

from pydantic import ConfigDict, PrivateAttr

from zpruner.client import download, waiting
from zpruner.client.models.jobs import Artifact, Event, JobFields
from zpruner.client.transport import event_stream
from zpruner.client.transport.errors import NoFilesError
from zpruner.client.transport.modes import Bound, Mode, iteration, operation
from zpruner.client.transport.transport import Transport

PARALLEL = 4
"""How many pieces of files are downloaded at once."""


class Job(JobFields, Bound[Mode], Generic[Mode]):
    """One request to prune one model, as it was when the service answered."""

    model_config = ConfigDict(ignored_types=(operation, iteration))

    _transport: Any = PrivateAttr(None)

    @operation
    async def refresh(self) -> "Job[Mode]":
        """Return the job as it is now."""
        return await job_at(self._transport, self.id)

    @operation
    async def wait(
        self,
        *,
        timeout_s: float | None = None,
        on_change: "Callable[[Job[Mode]], None]" = lambda _: None,
    ) -> "Job[Mode]":
        """Return the job once it has ended.

        Raises:
            TimeoutError: it goes on after ``timeout_s``.
            ServiceError: the service has not answered for a minute.
        """
        return await ended(self._transport, self.id, timeout_s, on_change)

    @iteration
    async def events(self, *, after: int = 0, follow: bool = False) -> AsyncIterator[Event]:
        """Yield what happened to it after an event; with ``follow``, until it has ended.

        Raises:
            ServiceError: while following, the service has not answered for a minute.
        """
        async for event in event_stream.events(self._transport, self.id, after, follow):
            yield event

    @operation
    async def cancel(self) -> "Job[Mode]":
        """Cancel it, and return it as it is then; asking twice changes nothing."""
        return await acted(self._transport, self.id, "cancel")

    @operation
    async def download(self, folder: str | Path, *, parallel: int = PARALLEL) -> Sequence[Path]:
        """Put its files below ``folder``, verified; call it again to resume.

        Raises:
            NoFilesError: it has not succeeded.
        """
        return await downloaded(self._transport, self.id, Path(folder), parallel)


def bound(transport: Transport[Mode], answer: Any) -> Job[Mode]:
    """Return the job that the service answered with, which asks the same service again."""
    job: Job[Mode] = Job.model_validate(answer)
    job._transport = transport
    return job


async def job_at(transport: Transport[Mode], job_id: str) -> Job[Mode]:
    """Return the job as it is now."""
    return bound(transport, await transport.get(f"/v1/jobs/{job_id}"))


async def acted(transport: Transport[Mode], job_id: str, act: str) -> Job[Mode]:
    """Ask something of a job."""
    response = await transport.send("POST", f"/v1/jobs/{job_id}/{act}")
    return bound(transport, response.json())


async def ended(
    transport: Transport[Mode],
    job_id: str,
    timeout_s: float | None,
    on_change: Callable[[Job[Mode]], None],
) -> Job[Mode]:
    """Return the job once it has ended."""
    async for answer in waiting.versions(transport, job_id, timeout_s):
        job = bound(transport, answer)
        on_change(job)
        if job.is_final:
            return job
    raise TimeoutError(f"job {job_id} is still {job.status} after {timeout_s:g} s")


async def artifacts(transport: Transport[Any], job_id: str) -> Sequence[Artifact]:
    """Return the files the job made."""
    rows = await transport.rows(f"/v1/jobs/{job_id}/artifacts")
    return [Artifact.model_validate(row) for row in rows]


async def downloaded(
    transport: Transport[Any], job_id: str, folder: Path, parallel: int
) -> Sequence[Path]:
    """Download the files of a job that has succeeded."""
    job = await job_at(transport, job_id)
    if job.status != "succeeded":
        raise NoFilesError(job)
    return await download.download(transport, await artifacts(transport, job_id), folder, parallel)
