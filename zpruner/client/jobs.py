"""The jobs of a service."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

from zpruner.client.download import Format
from zpruner.client.fields import Model, job_fields
from zpruner.client.filters import (
    CancelFilters,
    Filters,
    LogFilters,
    json_of,
    params_of,
)
from zpruner.client.job import (
    PARALLEL,
    Job,
    create_link,
    download_files,
    get_job,
    job_from,
    list_artifacts,
    post_action,
    wait_for_end,
)
from zpruner.client.logs import follow_log, log_lines
from zpruner.client.models.job_options import JobOptions, Order
from zpruner.client.models.jobs import (
    Artifact,
    Event,
    Facets,
    FileLink,
    LogLine,
    Output,
    Preview,
    Result,
)
from zpruner.client.models.provenance import Statement
from zpruner.client.models.results import BlockReport, CancelledJobs, Metrics
from zpruner.client.models.trials import Trial
from zpruner.client.resources import Resource
from zpruner.client.transport import event_stream
from zpruner.client.transport.modes import Mode, iteration, operation

LARGEST_PAGE = 100
"""How many jobs one request lists at most."""


class Jobs(Resource[Mode]):
    """The jobs of a service."""

    @operation
    async def create(
        self,
        /,
        model: Model,
        sparsity: float | None = None,
        dataset: str | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Job[Mode]:
        """Submit a job; ``options`` are further fields of the request.

        If ``model`` is a finished job, the new job starts from its result. ``sparsity`` may be
        omitted if ``pattern`` implies it, or with the method ``none``.

        If the response is lost, the request is sent again, but only one job is created. Later calls
        with the same ``idempotency_key`` create no second job either.
        """
        body = job_fields(model, sparsity, dataset, options)
        key = idempotency_key or str(uuid4())
        response = await self._transport.submit("/v1/jobs", body, key)
        return job_from(self._transport, response.json())

    @operation
    async def preview(
        self,
        /,
        model: Model,
        sparsity: float | None = None,
        dataset: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Preview:
        """Validate a job as ``create`` does, and return it with all defaults; create nothing."""
        body = job_fields(model, sparsity, dataset, options)
        params = {"dry_run": True}
        response = await self._transport.request_json("POST", "/v1/jobs", json=body, params=params)
        return Preview.model_validate(response)

    @operation
    async def get(self, job_id: str) -> Job[Mode]:
        """Return a job."""
        return await get_job(self._transport, job_id)

    @operation
    async def list(
        self, /, *, limit: int | None = None, sort: Order = "-created", **filters: Unpack[Filters]
    ) -> Sequence[Job[Mode]]:
        """Return all jobs, newest first by default; with ``limit``, at most that many."""
        rows = await self._transport.rows("/v1/jobs", _page(limit, sort, filters), limit)
        return [job_from(self._transport, row) for row in rows]

    @iteration
    async def iterate(
        self, /, *, sort: Order = "-created", **filters: Unpack[Filters]
    ) -> AsyncIterator[Job[Mode]]:
        """Yield all jobs as ``list`` returns them; each page is read when it is needed."""
        async for row in self._transport.pages("/v1/jobs", _page(None, sort, filters)):
            yield job_from(self._transport, row)

    @operation
    async def facets(self, /, **filters: Unpack[Filters]) -> Facets:
        """Count jobs by status, method and verdict."""
        params = {"limit": 1, "include": "facets"} | params_of(filters)
        response = await self._transport.get("/v1/jobs", params)
        return Facets.model_validate(response["facets"])

    @operation
    async def cancel(self, job_id: str) -> Job[Mode]:
        """Cancel a job; repeating this changes nothing."""
        return await post_action(self._transport, job_id, "cancel")

    @operation
    async def cancel_several(
        self, job_ids: Sequence[str] | None = None, /, **filters: Unpack[CancelFilters]
    ) -> CancelledJobs:
        """Cancel jobs by their ids, or all unfinished jobs that match filters of the list.

        Repeating this changes nothing. One request cancels 200 jobs at most.
        """
        chosen = {"filter": json_of(filters)} if job_ids is None else {"ids": list(job_ids)}
        response = await self._transport.request_json("POST", "/v1/cancel", json=chosen)
        return CancelledJobs.model_validate(response)

    @operation
    async def pause(self, job_id: str) -> Job[Mode]:
        """Pause a queued job immediately, or a running job after its current block."""
        return await post_action(self._transport, job_id, "pause")

    @operation
    async def resume(self, job_id: str) -> Job[Mode]:
        """Resume a paused job; it continues after its last finished block."""
        return await post_action(self._transport, job_id, "resume")

    @operation
    async def retry(self, job_id: str) -> Job[Mode]:
        """Requeue a failed, expired or cancelled job to continue after its last finished block."""
        return await post_action(self._transport, job_id, "retry")

    @operation
    async def describe(self, /, job_id: str, **changes: Any) -> Job[Mode]:
        """Change a job's ``name``, ``priority``, ``pinned`` or ``max_cost``, or some ``labels``.

        A job that ended with ``cost_exceeded`` goes on after a higher ``max_cost`` and ``retry``.
        No retention rule deletes the files of a job with ``pinned=True``.
        None removes the name, the bound of cost, one label (``labels={NAME: None}``) or all labels
        (``labels=None``). ``priority=None`` resets the priority to 0.
        """
        response = await self._transport.request_json("PATCH", f"/v1/jobs/{job_id}", json=changes)
        return job_from(self._transport, response)

    @operation
    async def delete(self, job_id: str) -> None:
        """Delete a job that has ended, and its files."""
        await self._transport.send("DELETE", f"/v1/jobs/{job_id}")

    @operation
    async def rerun(
        self, /, job_id: str, *, idempotency_key: str | None = None, **changes: Any
    ) -> Job[Mode]:
        """Submit a job again with some fields changed, and return the new job."""
        path, key = f"/v1/jobs/{job_id}/rerun", idempotency_key or str(uuid4())
        response = await self._transport.submit(path, changes, key)
        return job_from(self._transport, response.json())

    @operation
    async def result(self, job_id: str) -> Result:
        """Return the metrics and files of a job that has succeeded.

        Raises:
            ProblemError: the job has not ended (code ``unfinished``), has ended without success
                (``not_succeeded``), or has failed its gate (``gate_failed``).
        """
        path, params = f"/v1/jobs/{job_id}/result", {"pending": "503"}
        return Result.model_validate(await self._transport.get(path, params))

    @operation
    async def metrics(self, job_id: str) -> Metrics:
        """Return the metrics of a job that has succeeded, even if it failed its gate.

        Raises:
            ProblemError: the job has not ended (code ``unfinished``), or has ended without success
                (``not_succeeded``).
        """
        return Metrics.model_validate(await self._transport.get(f"/v1/jobs/{job_id}/metrics"))

    @operation
    async def blocks(self, job_id: str, *, layers: bool = False) -> Sequence[BlockReport]:
        """Return the newest report of each block; with ``layers``, also of its matrices."""
        params = {"layers": layers}
        rows = await self._transport.rows(f"/v1/jobs/{job_id}/blocks", params)
        return [BlockReport.model_validate(row) for row in rows]

    @operation
    async def provenance(self, job_id: str) -> Statement:
        """Return the statement of a job's files, and of all that they were made from.

        Raises:
            ProblemError: the job has not ended (code ``unfinished``), has ended without success
                (``not_succeeded``), or was run by a worker that wrote none (``no_such_file``).
        """
        return Statement.model_validate(await self._transport.get(f"/v1/jobs/{job_id}/provenance"))

    @iteration
    async def events(
        self, job_id: str, *, after: int = 0, follow: bool = False
    ) -> AsyncIterator[Event]:
        """Yield a job's events whose ``seq`` is above ``after``.

        With ``follow``, also yield new events until the job has ended.

        Raises:
            ServiceError: the service refused a request, or did not respond (with ``follow``, for a
                minute).
        """
        async for event in event_stream.events(self._transport, job_id, after, follow):
            yield event

    @iteration
    async def logs(
        self, /, job_id: str, *, follow: bool = False, **filters: Unpack[LogFilters]
    ) -> AsyncIterator[LogLine]:
        """Yield the lines of a job's log; with ``follow``, also new lines until the job has ended.

        Raises:
            ServiceError: the service refused a request, or did not respond (with ``follow``, for a
                minute).
        """
        params = {name: value for name, value in filters.items() if value is not None}
        read = follow_log if follow else log_lines
        async for line in read(self._transport, job_id, params):
            yield line

    @operation
    async def outputs(self, job_id: str) -> Sequence[Output]:
        """Return the targets that a job's result is sent to; none before it has succeeded."""
        rows = await self._transport.rows(f"/v1/jobs/{job_id}/outputs")
        return [Output.model_validate(row) for row in rows]

    @operation
    async def cancel_output(self, job_id: str, index: int) -> Output:
        """Cancel an output that waits or is being sent."""
        path = f"/v1/jobs/{job_id}/outputs/{index}/cancel"
        return Output.model_validate(await self._transport.request_json("POST", path))

    @operation
    async def retry_output(self, job_id: str, index: int) -> Output:
        """Send an output that failed, was cancelled, or was skipped because of a failed gate."""
        path = f"/v1/jobs/{job_id}/outputs/{index}/retry"
        return Output.model_validate(await self._transport.request_json("POST", path))

    @operation
    async def artifacts(self, job_id: str) -> Sequence[Artifact]:
        """Return the files that a job produced."""
        return await list_artifacts(self._transport, job_id)

    @operation
    async def link(self, artifact_id: str, *, expires_in_s: int | None = None) -> FileLink:
        """Create a link to one file; the link needs no key and expires in an hour by default."""
        return await create_link(self._transport, f"/v1/artifacts/{artifact_id}", expires_in_s)

    @operation
    async def archive_link(self, job_id: str, *, expires_in_s: int | None = None) -> FileLink:
        """Create a link to a tar archive of all files of a job; downloading it needs no key."""
        return await create_link(self._transport, f"/v1/jobs/{job_id}/archive", expires_in_s)

    @operation
    async def download(
        self,
        job_id: str,
        folder: str | Path,
        *,
        parallel: int = PARALLEL,
        format: Format = "plain",
        force: bool = False,
    ) -> Sequence[Path]:
        """Download a job's files into ``folder`` and verify them; call again to resume.

        Args:
            job_id: the job's id.
            folder: the folder to write to; it is created if it is missing.
            parallel: how many pieces of files are downloaded at once.
            format: with ``zstd``, fewer bytes are sent, and the same files are written.
            force: whether files of another content are replaced.

        Raises:
            NoFilesError: the job has not succeeded.
            FilesDeletedError: a retention rule deleted the files.
            OtherFileError: without ``force``, a file of another content would be replaced.
        """
        return await download_files(
            self._transport, job_id, Path(folder), parallel, format, force=force
        )

    @operation
    async def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_change: Callable[[Job[Mode]], None] = lambda _: None,
        delivered: bool = False,
    ) -> Job[Mode]:
        """Wait until a job has ended, and return it.

        With ``delivered``, also wait until its result has been sent to all targets, or is not sent
        any more; ``outputs`` of the job then says which of it.

        Raises:
            TimeoutError: this has not happened after ``timeout_s`` seconds.
            ServiceError: the first request failed, or later the service refused a request or did
                not respond for a minute.
        """
        return await wait_for_end(
            self._transport, job_id, timeout_s, on_change, delivered=delivered
        )

    @operation
    async def create_trial(
        self,
        /,
        job_id: str,
        prompt: str,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trial:
        """Have both models of a finished job continue a prompt; return the queued trial.

        ``jobs.cancel`` with the trial's id cancels it.

        Args:
            job_id: the id of the finished job.
            prompt: the text to continue.
            max_tokens: the number of tokens after which a continuation ends; 64 by default.
            seed: the seed to draw the tokens with; None for the most likely tokens.
            idempotency_key: later calls with the same key create no second trial.

        Raises:
            ProblemError: the job's files were deleted (code ``artifact_deleted``), the dense model
                is gone, the key has too many trials in the queue (``too_many_trials``), or the
                service takes none (``no_trials``).
        """
        given: dict[str, Any] = {"prompt": prompt, "max_tokens": max_tokens, "seed": seed}
        body = {name: value for name, value in given.items() if value is not None}
        path, key = f"/v1/jobs/{job_id}/trials", idempotency_key or str(uuid4())
        return Trial.model_validate((await self._transport.submit(path, body, key)).json())

    @operation
    async def trials(self, job_id: str, *, limit: int = 20) -> Sequence[Trial]:
        """Return at most ``limit`` trials of a job, newest first."""
        path, params = f"/v1/jobs/{job_id}/trials", {"limit": min(limit, 100)}
        rows = await self._transport.rows(path, params, limit)
        return [Trial.model_validate(row) for row in rows]

    @operation
    async def trial(self, job_id: str, trial_id: str) -> Trial:
        """Return a trial of a job; once ``jobs.wait`` returns for its id, it has its answer."""
        path = f"/v1/jobs/{job_id}/trials/{trial_id}"
        return Trial.model_validate(await self._transport.get(path))


def _page(limit: int | None, sort: Order, filters: Filters) -> dict[str, Any]:
    """Return the query parameters of a page of the list."""
    return {"limit": min(limit or LARGEST_PAGE, LARGEST_PAGE), "sort": sort} | params_of(filters)
