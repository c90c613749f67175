"""Errors about keys, secrets, download links and quotas; `db.problems` has their kinds."""

from datetime import datetime

from db.core.amounts import readable
from db.core.errors import JobError, NotFoundError


class ApiKeyNotFoundError(NotFoundError):
    noun = "key"


class ApiKeyRevokedError(JobError):
    """The key is revoked or expired."""

    def __init__(self, key_id: str) -> None:
        super().__init__(key_id)
        self.key_id = key_id

    def __str__(self) -> str:
        return f"key {self.key_id} is revoked or expired"


class SecretNotFoundError(NotFoundError):
    noun = "secret"


class SecretExistsError(JobError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is already a secret {self.name}"


class TooManySecretsError(JobError):
    """The API key has as many secrets as one key may have."""

    def __init__(self, allowed: int) -> None:
        super().__init__(allowed)
        self.allowed = allowed

    def __str__(self) -> str:
        return f"there are {self.allowed} secrets, and one key may have no more"


class EncryptionKeyError(JobError):
    """Secrets cannot be encrypted or decrypted; the message gives the reason, but no key."""


class BadKeyError(Exception):
    """The API key is missing, was sent in the wrong way, or is not valid.

    The message gives the reason, but not the key.
    """


class BadLinkError(Exception):
    """The download link is not valid; the message gives the reason."""


class ExpiredLinkError(BadLinkError):
    pass


QUOTA_REMEDIES = {
    "jobs_in_flight": "Wait until one of the key's jobs has ended, or cancel one.",
    "gpu_hours": "Used hours stop counting after thirty days; an admin can raise the quota: "
    "zpruner keys limit.",
    "artifact_bytes": "Delete jobs and datasets that are no longer needed; an admin can raise the "
    "quota: zpruner keys limit.",
    "monthly_cost": "Ask for less, use a cheaper queue, cancel an unfinished job, or wait for the "
    "next month; an admin can raise the budget: PATCH /v1/keys/{id}.",
}


class QuotaExceededError(JobError):
    """The request would exceed a quota of the key.

    Attributes:
        key_name: the key's name; a job counts towards the quotas of the key that created it.
        quota: the exceeded quota, such as ``jobs_in_flight``.
        used: the amount in use.
        allowed: the quota's limit.
        jobs: the number of jobs in the request.
        remedy: advice for the caller.
    """

    def __init__(
        self, key_name: str, quota: str, used: float, allowed: float, jobs: int = 1
    ) -> None:
        super().__init__(key_name, quota, used, allowed, jobs)
        self.key_name, self.quota, self.used, self.allowed = key_name, quota, used, allowed
        self.jobs, self.remedy = jobs, QUOTA_REMEDIES[quota]

    def __str__(self) -> str:
        used, allowed = (round(amount, 2) for amount in (self.used, self.allowed))
        more = f", and the request is for {self.jobs} jobs" if self.jobs > 1 else ""
        return f"key {self.key_name} has used {used} of its {allowed} {self.quota}{more}"


class BudgetExceededError(QuotaExceededError):
    """The request would exceed the budget of the key for this calendar month.

    Attributes:
        spent: what the key's jobs have cost in this month.
        reserved: what its unfinished jobs will likely cost.
        likely_cost: what the jobs of the request will likely cost; 0 if that is not known.
        month_end: the end of the month, when the budget is available again.
    """

    def __init__(
        self,
        key_name: str,
        budget: float,
        spent: float,
        reserved: float,
        likely_cost: float,
        month_end: datetime,
    ) -> None:
        super().__init__(key_name, "monthly_cost", spent, budget)
        self.args = (key_name, budget, spent, reserved, likely_cost, month_end)
        self.spent, self.reserved, self.likely_cost = spent, reserved, likely_cost
        self.month_end = month_end

    def __str__(self) -> str:
        left = max(self.allowed - self.spent - self.reserved, 0.0)
        return (
            f"key {self.key_name} has a budget of {readable(self.allowed)} a month (monthly_cost): "
            f"{readable(self.spent)} are spent, {readable(self.reserved)} are reserved for its "
            f"unfinished jobs, {readable(left)} are left, and the request likely costs up to "
            f"{readable(self.likely_cost)}; the month ends at {self.month_end:%F %R} UTC"
        )
