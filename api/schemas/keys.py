"""Schemas of API keys, the caller, and audit entries."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from api.core.caller import Caller
from api.schemas.fields import Moment, RequestModel, RowModel
from db.access.keys import Quotas
from db.jobs.quotas import Usage
from db.tables.access import DEFAULT_SCOPES, AccessScope, ApiKey, AuditEntry

DAY_S = 24 * 3600
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]


def _check_future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise PydanticCustomError("past", "is in the past")
    return moment


class QuotaLimits(BaseModel):
    """The quotas of a key; null means no limit."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    jobs_in_flight: StrictInt | None = Field(
        default=None, ge=0, le=2**31 - 1, description="Unfinished jobs."
    )
    gpu_hours: StrictFloat | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="Hours that workers spent on the key's jobs in the last thirty days.",
    )
    artifact_bytes: StrictInt | None = Field(
        default=None,
        ge=0,
        le=2**63 - 1,
        description="The size of all files of the key's jobs, and of its datasets.",
    )
    monthly_cost: StrictFloat | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="What the key's jobs may cost in a calendar month, in UTC: its budget.",
    )

    def quotas(self) -> Quotas:
        return Quotas(**self.model_dump())


class KeyRequest(RequestModel):
    """A new key."""

    name: Name = Field(description="The owner's name, which the audit log shows.")
    scopes: list[AccessScope] = Field(default=list(DEFAULT_SCOPES), min_length=1, max_length=8)
    quotas: QuotaLimits = QuotaLimits()
    expires_at: Annotated[Moment, AfterValidator(_check_future)] | None = None


class KeyPatch(RequestModel):
    """Changes to a key's quotas, as a JSON merge patch: omitted quotas stay the same."""

    quotas: QuotaLimits = Field(description="`null` removes a limit.")

    def limits(self) -> dict[str, float | None]:
        return self.quotas.model_dump(exclude_unset=True)


class Rotation(RequestModel):
    """A request for a new secret for a key."""

    grace_s: StrictInt = Field(
        default=DAY_S,
        ge=0,
        le=90 * DAY_S,
        description="For how many seconds the old secret stays valid.",
    )


class KeyRead(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[AccessScope]
    quotas: QuotaLimits
    created_at: datetime
    created_by: str | None = Field(description="The key with which it was created, if any.")
    expires_at: datetime | None
    revoked_at: datetime | None
    former_until: datetime | None = Field(
        description="Until when the previous secret is valid, too."
    )
    last_used_at: datetime | None = Field(description="To the minute.")

    @classmethod
    def of(cls, row: ApiKey, **fields: str) -> Self:
        plain = {name: getattr(row, name) for name in KeyRead.model_fields if name != "quotas"}
        return cls(quotas=QuotaLimits.model_validate(Quotas.of(row)), **plain, **fields)


class NewKey(KeyRead):
    """A key with its secret, which is never shown again."""

    key: str = Field(description="The value for `Authorization: Bearer …`.")


class Share(BaseModel):
    """How much of one quota is used; `allowed` is null if there is no limit."""

    used: float
    allowed: float | None


class Shares(BaseModel):
    """The use of each quota."""

    jobs_in_flight: Share
    gpu_hours: Share
    artifact_bytes: Share
    monthly_cost: Share


class Me(BaseModel):
    """The caller and its permissions."""

    name: str
    scopes: list[AccessScope]
    key: KeyRead | None = Field(description="Null if no key is needed.")
    quotas: Shares | None = Field(description="The use of the key's quotas; null without a key.")

    @classmethod
    def of(cls, caller: Caller, usage: Usage | None) -> Self:
        scopes = [scope for scope in AccessScope if scope in caller.scopes]
        if caller.key is None or usage is None:
            return cls(name=caller.name, scopes=scopes, key=None, quotas=None)
        used, allowed = asdict(usage), asdict(Quotas.of(caller.key))
        shares = {name: Share(used=used[name], allowed=allowed[name]) for name in used}
        key = KeyRead.of(caller.key)
        return cls(name=caller.name, scopes=scopes, key=key, quotas=Shares(**shares))


class AuditRead(RowModel):
    """One request that changed something or tried to, one use of a secret, or one deletion.

    Deletions are those of the retention rules.
    """

    id: str
    created_at: datetime
    key_id: str | None
    who: str
    action: str = Field(description="The operation's id in the OpenAPI document, or `use_secret`.")
    target: str = Field(description="The resource that was changed or created.")
    status: int = Field(description="The status of the response.")
    request_id: str = Field(description="Empty if no request led to it.")
    address: str
    data: dict[str, Any] | None = Field(
        description="For a deletion by a retention rule: `rule`, `reason`, `files` and `bytes`."
    )

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls.model_validate(entry)
