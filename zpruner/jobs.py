"""The jobs of a service."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

from zpruner import stream, waiting
from zpruner.download import download
from zpruner.fields import job_fields
from zpruner.filters import Filters, LogFilters, Sort, params_of
from zpruner.logs import follow_log, log_lines
from zpruner.models import Artifact, Event, Facets, FileLink, Job, LogLine, Preview, Result
from zpruner.transport import NoFilesError, Transport


class Jobs:
    """The jobs of a service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        model: str,
        sparsity: float | None = None,
        dataset: str | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job:
        """Submit a job; ``options`` are further fields of the request.

        ``sparsity`` may be left out where ``pattern`` is given, which implies it.

        A request whose answer got lost is sent again and still makes one job. With a key of the
        caller's own that holds for further calls, too.
        """
        body = job_fields(model, sparsity, dataset, options)
        response = self._transport.submit("/v1/jobs", body, idempotency_key or str(uuid4()))
        return Job.model_validate(response.json())

    def preview(
        self,
        model: str,
        sparsity: float | None = None,
        dataset: str | None = None,
        **options: Any,
    ) -> Preview:
        """Return what ``create`` would submit; refused like it, but nothing is made."""
        body = job_fields(model, sparsity, dataset, options)
        params = {"dry_run": True}
        response = self._transport.send("POST", "/v1/jobs", json=body, params=params)
        return Preview.model_validate(response.json())

    def get(self, job_id: str) -> Job:
        """Return the job as it is now."""
        return Job.model_validate(self._transport.get(f"/v1/jobs/{job_id}"))

    def list(
        self, *, limit: int = 50, sort: Sort = "-created", **filters: Unpack[Filters]
    ) -> Sequence[Job]:
        """Return at most ``limit`` jobs, newest first."""
        params = {"limit": min(limit, 100), "sort": sort} | params_of(filters)
        rows = self._transport.pages("/v1/jobs", params)
        return [Job.model_validate(row) for row in islice(rows, limit)]

    def facets(self, **filters: Unpack[Filters]) -> Facets:
        """Return how many jobs there are by status and by method."""
        params = {"limit": 1, "include": "facets"} | params_of(filters)
        return Facets.model_validate(self._transport.get("/v1/jobs", params)["facets"])

    def cancel(self, job_id: str) -> Job:
        """Cancel the job; asking twice changes nothing."""
        return self._act(job_id, "cancel")

    def pause(self, job_id: str) -> Job:
        """Hold the job back, after the block it is in."""
        return self._act(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on from its last finished block."""
        return self._act(job_id, "resume")

    def retry(self, job_id: str) -> Job:
        """Queue a job again that failed, was cancelled or expired; it goes on where it stopped."""
        return self._act(job_id, "retry")

    def describe(self, job_id: str, **changes: Any) -> Job:
        """Change the job's ``name``, ``priority`` or some ``labels``; None takes one away."""
        return Job.model_validate(
            self._transport.send("PATCH", f"/v1/jobs/{job_id}", json=changes).json()
        )

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, and its files."""
        self._transport.send("DELETE", f"/v1/jobs/{job_id}")

    def rerun(self, job_id: str, *, idempotency_key: str | None = None, **changes: Any) -> Job:
        """Submit a job once more with some fields changed, and return the new one."""
        path, key = f"/v1/jobs/{job_id}/rerun", idempotency_key or str(uuid4())
        return Job.model_validate(self._transport.submit(path, changes, key).json())

    def result(self, job_id: str) -> Result:
        """Return what the job measured and made.

        Raises:
            ProblemError: it goes on (``unfinished``), or ended otherwise (``not_succeeded``).
        """
        path, params = f"/v1/jobs/{job_id}/result", {"pending": "503"}
        return Result.model_validate(self._transport.get(path, params))

    def events(self, job_id: str, *, after: int = 0, follow: bool = False) -> Iterator[Event]:
        """Yield what happened to the job, from the event after ``after`` on.

        With ``follow`` also what happens from now on, until the job has ended.

        Raises:
            ServiceError: while following, the service has not answered for a minute.
        """
        if follow:
            yield from stream.follow(self._transport, job_id, after)
            return
        for row in self._transport.pages(f"/v1/jobs/{job_id}/events", {"after": after}):
            yield Event.model_validate(row)

    def logs(
        self, job_id: str, *, follow: bool = False, **which: Unpack[LogFilters]
    ) -> Iterator[LogLine]:
        """Yield what the job's attempts logged; with ``follow`` until the job has ended.

        Raises:
            ServiceError: while following, the service has not answered for a minute.
        """
        params = {name: value for name, value in which.items() if value is not None}
        if follow:
            return follow_log(self._transport, job_id, params)
        return log_lines(self._transport, job_id, params)

    def artifacts(self, job_id: str) -> Sequence[Artifact]:
        """Return the files the job made."""
        rows = self._transport.pages(f"/v1/jobs/{job_id}/artifacts")
        return [Artifact.model_validate(row) for row in rows]

    def link(self, artifact_id: str, *, expires_in_s: int | None = None) -> FileLink:
        """Make a link that opens one file without a key, for an hour by default."""
        body = {} if expires_in_s is None else {"expires_in": expires_in_s}
        response = self._transport.send("POST", f"/v1/artifacts/{artifact_id}/links", json=body)
        made = FileLink.model_validate(response.json())
        return made.model_copy(update={"url": self._transport.address(made.url)})

    def download(self, job_id: str, folder: str | Path) -> Sequence[Path]:
        """Put the job's files below ``folder``, verified; call it again to resume.

        Raises:
            NoFilesError: the job has not succeeded.
        """
        job = self.get(job_id)
        if job.status != "succeeded":
            raise NoFilesError(job)
        return [download(self._transport, one, Path(folder)) for one in self.artifacts(job_id)]

    def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_change: Callable[[Job], None] = lambda _: None,
    ) -> Job:
        """Return the job once it has ended.

        Raises:
            TimeoutError: it goes on after ``timeout_s``.
            ServiceError: the service has not answered for a minute.
        """
        looks = waiting.versions(self._transport, job_id, timeout_s)
        for job in looks:
            on_change(job)
            if job.is_final:
                return job
        raise TimeoutError(f"job {job_id} is still {job.status} after {timeout_s:g} s")

    def _act(self, job_id: str, act: str) -> Job:
        return Job.model_validate(self._transport.send("POST", f"/v1/jobs/{job_id}/{act}").json())
