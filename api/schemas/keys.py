"""What is asked and answered about keys and the audit, typed."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Self

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

from api.middleware.caller import Caller
from api.schemas.fields import Moment
from db.access.keys import Quotas
from db.jobs.quotas import Usage
from db.tables.access import USUAL, AccessScope, ApiKey, AuditEntry

DAY_S = 24 * 3600
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]


def _check_future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise PydanticCustomError("past", "Input should be in the future")
    return moment


class QuotaLimits(BaseModel):
    """How much a key may have; what is null is not bounded."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    jobs_in_flight: StrictInt | None = Field(
        default=None, ge=0, le=2**31 - 1, description="Jobs that have not ended."
    )
    gpu_hours: StrictFloat | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="Hours in the last thirty days that workers held the key's jobs.",
    )
    artifact_bytes: StrictInt | None = Field(
        default=None,
        ge=0,
        le=2**63 - 1,
        description="All files of the key's jobs, and its datasets.",
    )


class KeyRequest(BaseModel):
    """A new key."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Whose it is: the audit says so.")
    scopes: list[AccessScope] = Field(default=list(USUAL), min_length=1, max_length=8)
    quotas: QuotaLimits = QuotaLimits()
    expires_at: Annotated[Moment, AfterValidator(_check_future)] | None = None


class Rotation(BaseModel):
    """How a key changes its secret."""

    model_config = ConfigDict(extra="forbid")

    grace_s: StrictInt = Field(
        default=DAY_S, ge=0, le=90 * DAY_S, description="How long the old secret goes on to open."
    )


class KeyRead(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[AccessScope]
    quotas: QuotaLimits
    created_at: datetime
    created_by: str | None = Field(description="The key it was made with, if any.")
    expires_at: datetime | None
    revoked_at: datetime | None
    former_until: datetime | None = Field(description="Until when the secret before opens, too.")
    last_used_at: datetime | None = Field(description="To the minute.")

    @classmethod
    def of(cls, row: ApiKey, **fields: str) -> Self:
        """Return the face of a key's row."""
        plain = {name: getattr(row, name) for name in KeyRead.model_fields if name != "quotas"}
        return cls(quotas=QuotaLimits.model_validate(Quotas.of(row)), **plain, **fields)


class NewKey(KeyRead):
    """A key with its secret, which nothing shows again."""

    key: str = Field(description="What goes into `Authorization: Bearer …`.")


class Share(BaseModel):
    """How much of a quota is used."""

    used: float
    allowed: float | None


class Shares(BaseModel):
    """How much of every quota is used."""

    jobs_in_flight: Share
    gpu_hours: Share
    artifact_bytes: Share


class Me(BaseModel):
    """Who asks, and what that one may do."""

    name: str
    scopes: list[AccessScope]
    key: KeyRead | None = Field(description="Null for whoever may ask without one.")
    quotas: Shares | None = Field(description="Of the key; null without one.")

    @classmethod
    def of(cls, caller: Caller, usage: Usage | None) -> Self:
        """Return the face of a caller."""
        scopes = [scope for scope in AccessScope if scope in caller.scopes]
        if caller.key is None or usage is None:
            return cls(name=caller.name, scopes=scopes, key=None, quotas=None)
        used, allowed = asdict(usage), asdict(Quotas.of(caller.key))
        shares = {name: Share(used=used[name], allowed=allowed[name]) for name in used}
        key = KeyRead.of(caller.key)
        return cls(name=caller.name, scopes=scopes, key=key, quotas=Shares(**shares))


class AuditRead(BaseModel):
    """One request to change something."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    created_at: datetime
    key_id: str | None
    who: str
    action: str = Field(description="The operation, as this document calls it.")
    target: str = Field(description="What it was about, or what it made.")
    status: int = Field(description="How it was answered.")
    request_id: str
    address: str

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Return the face of an entry's row."""
        return cls.model_validate(entry)
