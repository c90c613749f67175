"""Errors of the durable side. They know nothing of HTTP: `db/problems/` has their kinds."""

from typing import ClassVar

from db.core.states import JobState


class JobError(Exception):
    """Base of every refusal about a job."""


class NotFoundError(JobError):
    """There is no row of this id."""

    noun: ClassVar[str]

    def __init__(self, row_id: str) -> None:
        super().__init__(row_id)
        self.row_id = row_id

    def __str__(self) -> str:
        return f"no {self.noun} {self.row_id}"


class JobNotFoundError(NotFoundError):
    """There is no such job."""

    noun = "job"


class ArtifactNotFoundError(NotFoundError):
    """There is no such artifact."""

    noun = "artifact"


class ArtifactDamagedError(JobError):
    """The artifact's bytes are not those that were stored."""

    def __init__(self, artifact_id: str, name: str, damage: str) -> None:
        super().__init__(artifact_id, name, damage)
        self.artifact_id, self.name, self.damage = artifact_id, name, damage

    def __str__(self) -> str:
        return f"artifact {self.artifact_id} ({self.name}) is damaged: {self.damage}"


class WorkerNotFoundError(NotFoundError):
    """There is no such worker."""

    noun = "worker"


class SweepNotFoundError(NotFoundError):
    """There is no such sweep."""

    noun = "sweep"


class EstimateNotFoundError(NotFoundError):
    """There is no such estimate, or no longer."""

    noun = "estimate"


class DatasetNotFoundError(NotFoundError):
    """No such dataset was uploaded."""

    noun = "uploaded dataset"


class DatasetInUseError(JobError):
    """Jobs that have not ended need the dataset."""

    def __init__(self, dataset_id: str, job_ids: list[str]) -> None:
        super().__init__(dataset_id, job_ids)
        self.dataset_id, self.job_ids = dataset_id, job_ids

    def __str__(self) -> str:
        return f"dataset {self.dataset_id} is used by {', '.join(self.job_ids)}"


class IllegalTransitionError(JobError):
    """The job's state does not allow this step; ``wanted`` is None for its deletion."""

    def __init__(self, job_id: str, current: JobState, wanted: JobState | None) -> None:
        super().__init__(job_id, current, wanted)
        self.job_id, self.current, self.wanted = job_id, current, wanted

    def __str__(self) -> str:
        step = "be deleted" if self.wanted is None else f"become {self.wanted}"
        return f"job {self.job_id} is {self.current}, it cannot {step}"


class StaleVersionError(JobError):
    """The job changed since the caller looked at it."""

    def __init__(self, job_id: str, version: int, current: int) -> None:
        super().__init__(job_id, version, current)
        self.job_id, self.version, self.current = job_id, version, current

    def __str__(self) -> str:
        return f"job {self.job_id} is at version {self.current}, not {self.version}"


class NoArtifactsError(JobError):
    """The job has no files, or none yet."""

    def __init__(self, job_id: str, status: JobState) -> None:
        super().__init__(job_id, status)
        self.job_id, self.status = job_id, status

    def __str__(self) -> str:
        return f"job {self.job_id} is {self.status}, it has no files"


class LeaseLostError(JobError):
    """The attempt that speaks is not, or no longer, the one that holds the job."""

    def __init__(self, job_id: str, attempt: int) -> None:
        super().__init__(job_id, attempt)
        self.job_id, self.attempt = job_id, attempt

    def __str__(self) -> str:
        return f"attempt {self.attempt} no longer holds job {self.job_id}"


class SpecRefusedError(JobError):
    """A field of the specification names something that cannot be used.

    Attributes:
        field: the field's name in the specification; dots lead into objects.
        value: what it held.
        code: what programs switch on, such as ``model_not_found``.
        reason: what is wrong with the value.
        remedy: what to change.
    """

    def __init__(self, field: str, value: object, code: str, reason: str, remedy: str) -> None:
        super().__init__(field, value, code, reason, remedy)
        self.field, self.value, self.code = field, value, code
        self.reason, self.remedy = reason, remedy

    @property
    def pointer(self) -> str:
        """The field's place in the request, as a JSON pointer."""
        return "/" + self.field.replace(".", "/")

    def within(self, path: str) -> "SpecRefusedError":
        """Return the same refusal of a specification that is the field ``path`` of a request."""
        field = f"{path}.{self.field}"
        return SpecRefusedError(field, self.value, self.code, self.reason, self.remedy)

    def __str__(self) -> str:
        return f"{self.field} {self.value!r}: {self.reason}. {self.remedy}"


class AddressRefusedError(SpecRefusedError):
    """Nothing is sent to this address."""


class UploadRefusedError(SpecRefusedError):
    """What was uploaded is no text that a job could use."""


class WebhookNotFoundError(NotFoundError):
    """There is no such webhook."""

    noun = "webhook"


class WebhookDisabledError(JobError):
    """Nothing is sent to the webhook."""

    def __init__(self, webhook_id: str, reason: str) -> None:
        super().__init__(webhook_id, reason)
        self.webhook_id, self.reason = webhook_id, reason

    def __str__(self) -> str:
        return f"webhook {self.webhook_id} is disabled ({self.reason})"


class DeliveryNotFoundError(NotFoundError):
    """The webhook has no such delivery, or no longer."""

    noun = "delivery"


class TriggerNotFoundError(NotFoundError):
    """There is no such trigger."""

    noun = "trigger"


class TriggerKeyError(JobError):
    """The key that a trigger's jobs would count for opens nothing any longer."""

    def __init__(self, trigger_id: str, key_id: str) -> None:
        super().__init__(trigger_id, key_id)
        self.trigger_id, self.key_id = trigger_id, key_id

    def __str__(self) -> str:
        return f"trigger {self.trigger_id} was made with key {self.key_id}, which opens nothing now"


class IdempotencyKeyTakenError(Exception):
    """Another request has used this idempotency key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"idempotency key {self.key} was used by another request"


class ApiKeyNotFoundError(NotFoundError):
    """There is no such key."""

    noun = "key"


class ApiKeyRevokedError(JobError):
    """The key opens nothing any longer."""

    def __init__(self, key_id: str) -> None:
        super().__init__(key_id)
        self.key_id = key_id

    def __str__(self) -> str:
        return f"key {self.key_id} is revoked, or has expired"


class BadKeyError(Exception):
    """What was sent as a key opens nothing; the text says why and does not repeat it."""


class BadLinkError(Exception):
    """The link opens nothing; the text says why."""


class ExpiredLinkError(BadLinkError):
    """The link opens nothing any longer."""


QUOTA_REMEDIES = {
    "jobs_in_flight": "Wait until one of the key's jobs has ended, or cancel one.",
    "gpu_hours": "Hours are given back thirty days after they were used; an admin can make a key "
    "with more.",
    "artifact_bytes": "Delete jobs and datasets that are no longer needed; an admin can make a key "
    "with more.",
}


class QuotaExceededError(JobError):
    """The key has used up what it may have.

    Attributes:
        key_name: whose quota it is; a job counts for the key that made it.
        quota: which, such as ``jobs_in_flight``.
        used: how much there is.
        allowed: how much there may be.
        jobs: how many jobs were asked for.
        remedy: what to do.
    """

    def __init__(
        self, key_name: str, quota: str, used: float, allowed: float, jobs: int = 1
    ) -> None:
        super().__init__(key_name, quota, used, allowed, jobs)
        self.key_name, self.quota, self.used, self.allowed = key_name, quota, used, allowed
        self.jobs, self.remedy = jobs, QUOTA_REMEDIES[quota]

    def __str__(self) -> str:
        used, allowed = (round(amount, 2) for amount in (self.used, self.allowed))
        more = f", and {self.jobs} jobs are asked for" if self.jobs > 1 else ""
        return f"key {self.key_name} has used {used} of its {allowed} {self.quota}{more}"
