"""A job, and the operations on one job."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic

from pydantic import ConfigDict, PrivateAttr

from zpruner.client import download, waiting
from zpruner.client.download import Format
from zpruner.client.models.jobs import Artifact, Event, FileLink, JobFields
from zpruner.client.transport import event_stream
from zpruner.client.transport.errors import FilesDeletedError, NoFilesError
from zpruner.client.transport.modes import Bound, Mode, iteration, operation
from zpruner.client.transport.transport import Transport

PARALLEL = 4
"""How many pieces of files are downloaded in parallel by default."""


class Job(JobFields, Bound[Mode], Generic[Mode]):
    """A request to prune one model, as the service returned it.

    The fields do not change later; ``refresh`` returns the current version.
    """

    model_config = ConfigDict(ignored_types=(operation, iteration))

    _transport: Any = PrivateAttr(None)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what a notebook shows of the job; all other fields are attributes."""
        shown: dict[str, Any] = {"id": self.id, "name": self.name, "status": self.status}
        shown |= {name: self.spec.get(name) for name in ("model", "sparsity", "ratio", "dataset")}
        shown["perplexity_ratio"] = (self.result or {}).get("perplexity_ratio")
        shown["error"] = self.error and self.error.code
        yield from ((name, value) for name, value in shown.items() if value is not None)

    @operation
    async def refresh(self) -> "Job[Mode]":
        """Return the current version of the job."""
        return await get_job(self._transport, self.id)

    @operation
    async def wait(
        self,
        *,
        timeout_s: float | None = None,
        on_change: "Callable[[Job[Mode]], None]" = lambda _: None,
        delivered: bool = False,
    ) -> "Job[Mode]":
        """Wait until the job has ended, and return it.

        With ``delivered``, also wait until its result has been sent to all targets, or is not sent
        any more; ``outputs`` of the job then says which of it.

        Raises:
            TimeoutError: this has not happened after ``timeout_s`` seconds.
            ServiceError: the first request failed, or later the service refused a request or did
                not respond for a minute.
        """
        return await wait_for_end(
            self._transport, self.id, timeout_s, on_change, delivered=delivered
        )

    @iteration
    async def events(self, *, after: int = 0, follow: bool = False) -> AsyncIterator[Event]:
        """Yield the events whose ``seq`` is above ``after``.

        With ``follow``, also yield new events until the job has ended.

        Raises:
            ServiceError: the service refused a request, or did not respond (with ``follow``, for a
                minute).
        """
        async for event in event_stream.events(self._transport, self.id, after, follow):
            yield event

    @operation
    async def cancel(self) -> "Job[Mode]":
        """Cancel the job and return it; repeating this changes nothing."""
        return await post_action(self._transport, self.id, "cancel")

    @operation
    async def download(
        self,
        folder: str | Path,
        *,
        parallel: int = PARALLEL,
        format: Format = "plain",
        force: bool = False,
    ) -> Sequence[Path]:
        """Download the job's files into ``folder`` and verify them; call again to resume.

        With the format ``zstd``, fewer bytes are sent, and the same files are written. With
        ``force``, files of another content are replaced.

        Raises:
            NoFilesError: the job has not succeeded.
            FilesDeletedError: a retention rule deleted the files.
            OtherFileError: without ``force``, a file of another content would be replaced.
        """
        return await download_files(
            self._transport, self.id, Path(folder), parallel, format, force=force
        )


def job_from(transport: Transport[Mode], response: Any) -> Job[Mode]:
    """Return the job that a response contains; its methods use ``transport``."""
    job: Job[Mode] = Job.model_validate(response)
    job._transport = transport
    return job


async def get_job(transport: Transport[Mode], job_id: str) -> Job[Mode]:
    """Return the current version of the job."""
    return job_from(transport, await transport.get(f"/v1/jobs/{job_id}"))


async def post_action(transport: Transport[Mode], job_id: str, action: str) -> Job[Mode]:
    """Request an action on a job, such as ``cancel``, and return the job."""
    response = await transport.send("POST", f"/v1/jobs/{job_id}/{action}")
    return job_from(transport, response.json())


async def wait_for_end(
    transport: Transport[Mode],
    job_id: str,
    timeout_s: float | None,
    on_change: Callable[[Job[Mode]], None],
    *,
    delivered: bool = False,
) -> Job[Mode]:
    """Wait until the job has ended, with ``delivered`` also for its outputs, and return it."""
    async for response in waiting.job_versions(transport, job_id, timeout_s):
        job = job_from(transport, response)
        on_change(job)
        if job.is_final and not (delivered and job.is_being_delivered):
            return job
    state = "not yet delivered" if job.is_final else f"still {job.status}"
    raise TimeoutError(f"job {job_id} is {state} after {timeout_s:g} s")


async def list_artifacts(transport: Transport[Any], job_id: str) -> Sequence[Artifact]:
    """Return the files that a job produced."""
    rows = await transport.rows(f"/v1/jobs/{job_id}/artifacts")
    return [Artifact.model_validate(row) for row in rows]


async def create_link(transport: Transport[Any], path: str, expires_in_s: int | None) -> FileLink:
    """Create a link to the file or archive at ``path``; downloading through it needs no key."""
    body = {} if expires_in_s is None else {"expires_in": expires_in_s}
    link = FileLink.model_validate(await transport.request_json("POST", f"{path}/links", json=body))
    return link.model_copy(update={"url": transport.address(link.url)})


async def download_files(
    transport: Transport[Any],
    job_id: str,
    folder: Path,
    parallel: int,
    format: Format,
    *,
    force: bool,
) -> Sequence[Path]:
    """Download the files of a job that has succeeded."""
    job = await get_job(transport, job_id)
    if job.status != "succeeded":
        raise NoFilesError(job)
    artifacts = await list_artifacts(transport, job_id)
    for artifact in artifacts:
        if artifact.deleted_at is not None:
            raise FilesDeletedError(job_id, artifact)
    return await download.download(transport, artifacts, folder, parallel, format, force=force)
