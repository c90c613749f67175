"""The jobs of a service."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

from zpruner.client.fields import job_fields
from zpruner.client.filters import Filters, LogFilters, Sort, params_of
from zpruner.client.job import PARALLEL, Job, acted, artifacts, bound, downloaded, ended, job_at
from zpruner.client.logs import follow_log, log_lines
from zpruner.client.models.jobs import Artifact, Event, Facets, FileLink, LogLine, Preview, Result
from zpruner.client.resources import Resource
from zpruner.client.transport import event_stream
from zpruner.client.transport.modes import Mode, iteration, operation


class Jobs(Resource[Mode]):
    """The jobs of a service."""

    @operation
    async def create(
        self,
        /,
        model: str,
        sparsity: float | None = None,
        dataset: str | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[Mode]:
        """Submit a job; ``options`` are further fields of the request.

        ``sparsity`` may be left out where ``pattern`` is given, which implies it.

        A request whose answer got lost is sent again and still makes one job. With a key of the
        caller's own that holds for further calls, too.
        """
        body = job_fields(model, sparsity, dataset, options)
        key = idempotency_key or str(uuid4())
        response = await self._transport.submit("/v1/jobs", body, key)
        return bound(self._transport, response.json())

    @operation
    async def preview(
        self,
        /,
        model: str,
        sparsity: float | None = None,
        dataset: str | None = None,
        **options: Any,
    ) -> Preview:
        """Return what ``create`` would submit; refused like it, but nothing is made."""
        body = job_fields(model, sparsity, dataset, options)
        params = {"dry_run": True}
        answer = await self._transport.ask("POST", "/v1/jobs", json=body, params=params)
        return Preview.model_validate(answer)

    @operation
    async def get(self, job_id: str) -> Job[Mode]:
        """Return the job as it is now."""
        return await job_at(self._transport, job_id)

    @operation
    async def list(
        self, /, *, limit: int = 50, sort: Sort = "-created", **filters: Unpack[Filters]
    ) -> Sequence[Job[Mode]]:
        """Return at most ``limit`` jobs, newest first."""
        params = {"limit": min(limit, 100), "sort": sort} | params_of(filters)
        rows = await self._transport.rows("/v1/jobs", params, limit)
        return [bound(self._transport, row) for row in rows]

    @operation
    async def facets(self, /, **filters: Unpack[Filters]) -> Facets:
        """Return how many jobs there are by status and by method."""
        params = {"limit": 1, "include": "facets"} | params_of(filters)
        answer = await self._transport.get("/v1/jobs", params)
        return Facets.model_validate(answer["facets"])

    @operation
    async def cancel(self, job_id: str) -> Job[Mode]:
        """Cancel the job; asking twice changes nothing."""
        return await acted(self._transport, job_id, "cancel")

    @operation
    async def pause(self, job_id: str) -> Job[Mode]:
        """Hold the job back, after the block it is in."""
        return await acted(self._transport, job_id, "pause")

    @operation
    async def resume(self, job_id: str) -> Job[Mode]:
        """Let a paused job go on from its last finished block."""
        return await acted(self._transport, job_id, "resume")

    @operation
    async def retry(self, job_id: str) -> Job[Mode]:
        """Queue a job again that failed, was cancelled or expired; it goes on where it stopped."""
        return await acted(self._transport, job_id, "retry")

    @operation
    async def describe(self, /, job_id: str, **changes: Any) -> Job[Mode]:
        """Change the job's ``name``, ``priority`` or some ``labels``; None takes one away."""
        answer = await self._transport.ask("PATCH", f"/v1/jobs/{job_id}", json=changes)
        return bound(self._transport, answer)

    @operation
    async def delete(self, job_id: str) -> None:
        """Delete a job that has ended, and its files."""
        await self._transport.send("DELETE", f"/v1/jobs/{job_id}")

    @operation
    async def rerun(
        self, /, job_id: str, *, idempotency_key: str | None = None, **changes: Any
    ) -> Job[Mode]:
        """Submit a job once more with some fields changed, and return the new one."""
        path, key = f"/v1/jobs/{job_id}/rerun", idempotency_key or str(uuid4())
        response = await self._transport.submit(path, changes, key)
        return bound(self._transport, response.json())

    @operation
    async def result(self, job_id: str) -> Result:
        """Return what the job measured and made.

        Raises:
            ProblemError: it goes on (``unfinished``), or ended otherwise (``not_succeeded``).
        """
        path, params = f"/v1/jobs/{job_id}/result", {"pending": "503"}
        return Result.model_validate(await self._transport.get(path, params))

    @iteration
    async def events(
        self, job_id: str, *, after: int = 0, follow: bool = False
    ) -> AsyncIterator[Event]:
        """Yield what happened to the job, from the event after ``after`` on.

        With ``follow`` also what happens from now on, until the job has ended.

        Raises:
            ServiceError: while following, the service has not answered for a minute.
        """
        async for event in event_stream.events(self._transport, job_id, after, follow):
            yield event

    @iteration
    async def logs(
        self, /, job_id: str, *, follow: bool = False, **which: Unpack[LogFilters]
    ) -> AsyncIterator[LogLine]:
        """Yield what the job's attempts logged; with ``follow`` until the job has ended.

        Raises:
            ServiceError: while following, the service has not answered for a minute.
        """
        params = {name: value for name, value in which.items() if value is not None}
        read = follow_log if follow else log_lines
        async for line in read(self._transport, job_id, params):
            yield line

    @operation
    async def artifacts(self, job_id: str) -> Sequence[Artifact]:
        """Return the files the job made."""
        return await artifacts(self._transport, job_id)

    @operation
    async def link(self, artifact_id: str, *, expires_in_s: int | None = None) -> FileLink:
        """Make a link that opens one file without a key, for an hour by default."""
        body = {} if expires_in_s is None else {"expires_in": expires_in_s}
        answer = await self._transport.ask("POST", f"/v1/artifacts/{artifact_id}/links", json=body)
        made = FileLink.model_validate(answer)
        return made.model_copy(update={"url": self._transport.address(made.url)})

    @operation
    async def download(
        self, job_id: str, folder: str | Path, *, parallel: int = PARALLEL
    ) -> Sequence[Path]:
        """Put the job's files below ``folder``, verified; call it again to resume.

        Args:
            job_id: which job.
            folder: where to; it is made where it is not there.
            parallel: how many pieces of files are asked for at once.

        Raises:
            NoFilesError: the job has not succeeded.
        """
        return await downloaded(self._transport, job_id, Path(folder), parallel)

    @operation
    async def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_change: Callable[[Job[Mode]], None] = lambda _: None,
    ) -> Job[Mode]:
        """Return the job once it has ended.

        Raises:
            TimeoutError: it goes on after ``timeout_s``.
            ServiceError: the service has not answered for a minute.
        """
        return await ended(self._transport, job_id, timeout_s, on_change)
