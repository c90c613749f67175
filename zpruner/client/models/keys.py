"""Responses about keys, their quotas and their secrets."""

from datetime import datetime

from zpruner.client.models.jobs import ResponseModel


class Quotas(ResponseModel):
    """The quotas of a key; None means unlimited."""

    jobs_in_flight: int | None = None
    gpu_hours: float | None = None
    artifact_bytes: int | None = None
    monthly_cost: float | None = None


class Key(ResponseModel):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[str] = []
    quotas: Quotas = Quotas()
    created_at: datetime
    created_by: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    former_until: datetime | None = None
    last_used_at: datetime | None = None


class NewKey(Key):
    """A created or rotated key; ``key`` is its secret, which is never shown again."""

    key: str


class Share(ResponseModel):
    """The used and the allowed amount of a quota; ``allowed=None`` means unlimited."""

    used: float
    allowed: float | None = None


class Me(ResponseModel):
    """The identity of a client; ``key`` is None if the client sent no key."""

    name: str
    scopes: list[str] = []
    key: Key | None = None
    quotas: dict[str, Share] | None = None


class Secret(ResponseModel):
    """A secret without its value; ``created_by`` is None if it was created without a key."""

    name: str
    created_by: str | None = None
    created_at: datetime
    replaced_at: datetime | None = None
    last_used_at: datetime | None = None
