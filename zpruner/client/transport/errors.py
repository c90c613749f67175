"""What can go wrong with a request."""

from zpruner.client.models.jobs import JobFields, Problem


class ServiceError(Exception):
    """The service cannot be reached, or does not answer as it should."""

    @property
    def is_refusal(self) -> bool:
        """Whether the service has understood and refused: asking again changes nothing."""
        return False


class ProblemError(ServiceError):
    """The service refused; ``problem`` says what, why and what to change."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def is_refusal(self) -> bool:
        """Whether the request, not the service, is at fault."""
        return self.problem.status < 500

    def __str__(self) -> str:
        # Each field's detail names its value and remedy already; the rest would say it again.
        fields = [f"{one.pointer}: {one.detail}" for one in self.problem.errors]
        said = fields or [self.problem.detail or self.problem.title, self.problem.hint or ""]
        return "\n".join(filter(None, said))


class NoFilesError(ServiceError):
    """The job has no files to download: ``job`` says whether it goes on, or how it ended."""

    def __init__(self, job: JobFields) -> None:
        super().__init__(job)
        self.job = job

    @property
    def is_refusal(self) -> bool:
        """Whether asking again changes nothing: it may once the job goes on."""
        return self.job.is_final

    def __str__(self) -> str:
        said = [f"job {self.job.id} is {self.job.status}: {self._remedy}"]
        if self.job.error is not None:
            said += [f"{self.job.error.code}: {self.job.error.detail}", self.job.error.hint or ""]
        return "\n".join(filter(None, said))

    @property
    def _remedy(self) -> str:
        if self.job.is_final:
            return "it has no files; retry it, or rerun it with changes"
        return "it has no files until it has succeeded; wait for it"


class CorruptedError(ServiceError):
    """What arrived is not what the service said it holds."""

    def __init__(self, name: str, expected: str, received: str) -> None:
        super().__init__(name, expected, received)
        self.name, self.expected, self.received = name, expected, received

    def __str__(self) -> str:
        return f"{self.name} has sha256 {self.received}, expected {self.expected}; it was deleted"
