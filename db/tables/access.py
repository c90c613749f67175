"""Tables of API keys, the latest claim of a job of each key, shared secrets, and the audit log."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.core.ids import new_id
from db.tables.base import ID, Base, Document, IdRow


class AccessScope(StrEnum):
    """A permission of an API key; ``admin`` permits everything."""

    jobs_read = "jobs:read"
    jobs_write = "jobs:write"
    artifacts_read = "artifacts:read"
    admin = "admin"


DEFAULT_SCOPES = (AccessScope.jobs_read, AccessScope.jobs_write, AccessScope.artifacts_read)
"""The scopes of a key that is created without a list of scopes."""


class ApiKey(IdRow):
    """A client's credentials; only digests of its secrets are stored.

    The former secret is the one before the last rotation; it stays valid until ``former_until``.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("key"))
    name: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    secret_digest: Mapped[str] = mapped_column(String(64))
    former_digest: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[datetime | None]
    max_jobs_in_flight: Mapped[int | None]
    max_gpu_hours: Mapped[float | None] = mapped_column(Double)
    max_artifact_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_monthly_cost: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[datetime] = mapped_column(default=now())
    created_by: Mapped[str | None] = mapped_column(ID)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


NO_KEY = ""


class LastClaim(Base):
    """The latest claim of a job of one API key.

    Among the keys with waiting jobs of the highest priority, the one with the lowest
    ``claim_number`` is next.

    Attributes:
        created_by: the id of the key; ``NO_KEY`` for all clients without a key.
        claim_number: the number of the latest claim of a job of this key; 0 before the first. The
            claims of all keys are numbered together. Times are not used, because a clock may be set
            back.
    """

    __tablename__ = "key_turns"

    created_by: Mapped[str] = mapped_column(ID, primary_key=True)
    claim_number: Mapped[int] = mapped_column("turn", BigInteger, default=0)


class Secret(Base):
    """A hexadecimal secret that all processes of the service share."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))


class AuditEntry(Base):
    """One request to change something, successful or not; one use of a secret; or one deletion.

    Deletions are those of the retention rules.

    Attributes:
        data: for a deletion, its rule, reason, number of files and bytes.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_listed", "created_at", "id"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("aud"))
    created_at: Mapped[datetime] = mapped_column(default=now())
    key_id: Mapped[str | None] = mapped_column(ID)
    who: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(512))
    status: Mapped[int]
    request_id: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    data: Mapped[Document | None]
