"""Errors of requests to the service."""

from collections.abc import Sequence
from pathlib import Path

from zpruner.client.models.jobs import Artifact, JobFields, Problem


class ServiceError(Exception):
    """A request or download failed, for instance because the service cannot be reached.

    This is the base class of the other errors.
    """

    @property
    def is_refusal(self) -> bool:
        """Whether the service refused the request, so that repeating it is useless."""
        return False


class ProblemError(ServiceError):
    """The service responded with an error; ``problem`` holds the reason and the remedy."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def is_refusal(self) -> bool:
        """Whether the request, not the service, is at fault."""
        return self.problem.status < 500

    def __str__(self) -> str:
        # The detail of a field holds its name, its value and the remedy, and nothing repeats them.
        fields = [error.detail for error in self.problem.errors]
        parts = fields or [self.problem.detail or self.problem.title, self.problem.hint or ""]
        return "\n".join(filter(None, parts))


class ClientSettingError(ServiceError):
    """The URL or the key cannot be used, so that no request was sent."""

    @property
    def is_refusal(self) -> bool:
        """Whether repeating the request is useless, which it is."""
        return True


class UnsendableTextError(ServiceError):
    """A text in the request cannot be encoded, such as an argument that is not UTF-8."""

    @property
    def is_refusal(self) -> bool:
        """Whether repeating the request is useless, which it is."""
        return True


class ConnectionLostError(ServiceError):
    """The service could not be reached, or the connection broke while it responded."""


class BucketResponseError(ServiceError):
    """A file could not be read from the bucket to which the service redirected."""


class NoFilesError(ServiceError):
    """The job has no files to download; ``job`` holds its status."""

    def __init__(self, job: JobFields) -> None:
        super().__init__(job)
        self.job = job

    @property
    def is_refusal(self) -> bool:
        """Whether repeating the request is useless, because the job has ended."""
        return self.job.is_final

    def __str__(self) -> str:
        lines = [f"job {self.job.id} is {self.job.status}: {self._remedy}"]
        if self.job.error is not None:
            lines += [f"{self.job.error.code}: {self.job.error.detail}", self.job.error.hint or ""]
        return "\n".join(filter(None, lines))

    @property
    def _remedy(self) -> str:
        if self.job.is_final:
            return "it has no files; retry it, or rerun it with changes"
        return "it has no files until it has succeeded; wait for it"


class FilesDeletedError(ServiceError):
    """A retention rule deleted the job's files; ``artifact`` is one of them."""

    def __init__(self, job_id: str, artifact: Artifact) -> None:
        super().__init__(job_id, artifact)
        self.job_id, self.artifact = job_id, artifact

    @property
    def is_refusal(self) -> bool:
        """Whether repeating the request is useless, which it is."""
        return True

    def __str__(self) -> str:
        rule, at = self.artifact.deleted_by, self.artifact.deleted_at
        return (
            f"the retention rule {rule} deleted the files of job {self.job_id} at {at:%F %T} UTC; "
            "rerun the job, and pin the new one to keep its files"
        )


class OtherFileError(ServiceError):
    """A download would replace files of another content; ``paths`` are theirs."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(paths)
        self.paths = paths

    @property
    def is_refusal(self) -> bool:
        """Whether repeating the request is useless, which it is."""
        return True

    def __str__(self) -> str:
        more = f" (and {len(self.paths) - 1} more)" if len(self.paths) > 1 else ""
        return (
            f"{self.paths[0]}{more} exists with another content, and nothing was downloaded: "
            "name another folder, or replace it with --force (force=True)"
        )


class CorruptedError(ServiceError):
    """A downloaded file does not have the expected sha256."""

    def __init__(self, name: str, expected: str, received: str) -> None:
        super().__init__(name, expected, received)
        self.name, self.expected, self.received = name, expected, received

    def __str__(self) -> str:
        return f"{self.name} has sha256 {self.received}, expected {self.expected}; it was deleted"
