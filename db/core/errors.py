"""Errors about jobs, their files, webhooks, triggers and datasets.

`db.problems` maps the subclasses of `JobError` to problem kinds.
"""

from datetime import datetime
from typing import ClassVar

from db.core.escaping import quoted
from db.core.states import JobState


class JobError(Exception):
    """Base of the errors that the API converts into problems, according to their class."""


class NotFoundError(JobError):
    noun: ClassVar[str]

    def __init__(self, row_id: str) -> None:
        super().__init__(row_id)
        self.row_id = row_id

    def __str__(self) -> str:
        return f"no {self.noun} {self.row_id}"


class JobNotFoundError(NotFoundError):
    noun = "job"


class ArtifactNotFoundError(NotFoundError):
    noun = "artifact"


class ArtifactDamagedError(JobError):
    """The artifact's file is missing or unreadable, or differs from what was stored."""

    def __init__(self, artifact_id: str, name: str, damage: str) -> None:
        super().__init__(artifact_id, name, damage)
        self.artifact_id, self.name, self.damage = artifact_id, name, damage

    def __str__(self) -> str:
        return f"artifact {self.artifact_id} ({self.name}) is damaged: {self.damage}"


class ArtifactDeletedError(JobError):
    """A retention rule deleted the artifact's file."""

    def __init__(self, artifact_id: str, name: str, rule: str, at: datetime) -> None:
        super().__init__(artifact_id, name, rule, at)
        self.artifact_id, self.name, self.rule, self.at = artifact_id, name, rule, at

    def __str__(self) -> str:
        rule = f"the retention rule {self.rule} at {self.at:%F %T} UTC"
        return f"artifact {self.artifact_id} ({self.name}) was deleted by {rule}"


class WorkerNotFoundError(NotFoundError):
    noun = "worker"


class SweepNotFoundError(NotFoundError):
    noun = "sweep"


class EstimateNotFoundError(NotFoundError):
    noun = "estimate"


class DatasetNotFoundError(NotFoundError):
    noun = "uploaded dataset"


class DatasetInUseError(JobError):
    """The dataset cannot be deleted: jobs that have not ended use it."""

    def __init__(self, dataset_id: str, job_ids: list[str]) -> None:
        super().__init__(dataset_id, job_ids)
        self.dataset_id, self.job_ids = dataset_id, job_ids

    def __str__(self) -> str:
        return f"dataset {self.dataset_id} is used by {', '.join(self.job_ids)}"


class ResultInUseError(JobError):
    """The job cannot be deleted: jobs that have not ended start from its result."""

    def __init__(self, job_id: str, users: list[str]) -> None:
        super().__init__(job_id, users)
        self.job_id, self.users = job_id, users

    def __str__(self) -> str:
        return f"the result of job {self.job_id} is the model of {', '.join(self.users)}"


class IllegalTransitionError(JobError):
    """The job's state does not allow the transition; ``wanted`` is None for a deletion."""

    def __init__(self, job_id: str, current: JobState, wanted: JobState | None) -> None:
        super().__init__(job_id, current, wanted)
        self.job_id, self.current, self.wanted = job_id, current, wanted

    def __str__(self) -> str:
        step = "be deleted" if self.wanted is None else f"become {self.wanted}"
        return f"job {self.job_id} is {self.current} and cannot {step}"


class StaleVersionError(JobError):
    """The job has changed since the caller read it."""

    def __init__(self, job_id: str, version: int, current: int) -> None:
        super().__init__(job_id, version, current)
        self.job_id, self.version, self.current = job_id, version, current

    def __str__(self) -> str:
        return f"job {self.job_id} is at version {self.current}, not {self.version}"


class NoArtifactsError(JobError):
    """The job has no artifacts, or none yet."""

    def __init__(self, job_id: str, status: JobState) -> None:
        super().__init__(job_id, status)
        self.job_id, self.status = job_id, status

    def __str__(self) -> str:
        return f"job {self.job_id} is {self.status} and has no files"


class TooManyTrialsError(JobError):
    """The API key has as many unfinished trials as one key may have."""

    def __init__(self, allowed: int) -> None:
        super().__init__(allowed)
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.allowed} trials have not ended, and one key may have no more at a time"


class NoTrialsError(JobError):
    """The operator allows no trials."""

    def __str__(self) -> str:
        return "this service takes no trials (ZPRUNER_MAX_TRIALS is 0)"


class LeaseLostError(JobError):
    """The attempt does not hold the job's lease, or no longer holds it."""

    def __init__(self, job_id: str, attempt: int) -> None:
        super().__init__(job_id, attempt)
        self.job_id, self.attempt = job_id, attempt

    def __str__(self) -> str:
        return f"attempt {self.attempt} no longer holds job {self.job_id}"


class SpecRefusedError(JobError):
    """A field of the specification has a value that cannot be used.

    Attributes:
        field: the field's path in the specification, with dots between nested names.
        value: the rejected value.
        code: a problem code, such as ``model_not_found``.
        reason: what is wrong with the value.
        remedy: what to change.
    """

    def __init__(self, field: str, value: object, code: str, reason: str, remedy: str) -> None:
        super().__init__(field, value, code, reason, remedy)
        self.field, self.value, self.code = field, value, code
        self.reason, self.remedy = reason, remedy

    @property
    def pointer(self) -> str:
        """The JSON pointer to the field in the request."""
        parts = self.field.replace("~", "~0").replace("/", "~1")
        return "/" + parts.replace(".", "/")

    def within(self, path: str) -> "SpecRefusedError":
        """Return this error for a specification that is nested in a request at `path`."""
        field = f"{path}.{self.field}"
        return SpecRefusedError(field, self.value, self.code, self.reason, self.remedy)

    def __str__(self) -> str:
        named = self.field if self.value is None else f"{self.field} {quoted(self.value)}"
        return f"{named}: {self.reason}. {self.remedy}"


class AddressRefusedError(SpecRefusedError):
    """The service does not send webhooks to this address."""


class WebhookNotFoundError(NotFoundError):
    noun = "webhook"


class WebhookDisabledError(JobError):
    def __init__(self, webhook_id: str, reason: str) -> None:
        super().__init__(webhook_id, reason)
        self.webhook_id, self.reason = webhook_id, reason

    def __str__(self) -> str:
        return f"webhook {self.webhook_id} is disabled ({self.reason})"


class DeliveryNotFoundError(NotFoundError):
    noun = "delivery"


class OutputNotFoundError(JobError):
    """The job has no output of this number."""

    def __init__(self, job_id: str, index: int) -> None:
        super().__init__(job_id, index)
        self.job_id, self.index = job_id, index

    def __str__(self) -> str:
        return f"job {self.job_id} has no output {self.index}"


class OutputStateError(JobError):
    """The output's state does not allow the action."""

    def __init__(self, job_id: str, index: int, state: str, action: str) -> None:
        super().__init__(job_id, index, state, action)
        self.job_id, self.index, self.state, self.action = job_id, index, state, action

    def __str__(self) -> str:
        return f"output {self.index} of job {self.job_id} is {self.state}: it cannot {self.action}"


class TriggerNotFoundError(NotFoundError):
    noun = "trigger"


class TriggerKeyError(JobError):
    """The key that created the trigger, and owns its jobs, is revoked or expired."""

    def __init__(self, trigger_id: str, key_id: str) -> None:
        super().__init__(trigger_id, key_id)
        self.trigger_id, self.key_id = trigger_id, key_id

    def __str__(self) -> str:
        key = f"key {self.key_id}, which is revoked or expired"
        return f"trigger {self.trigger_id} was created with {key}"


class IdempotencyKeyTakenError(Exception):
    """A concurrent request has used this idempotency key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"idempotency key {self.key} was used by another request"
