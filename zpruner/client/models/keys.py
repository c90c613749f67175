"""Keys, and what is used of their quotas, as the service answers them."""

from datetime import datetime

from zpruner.client.models.jobs import Answer


class Quotas(Answer):
    """How much a key may have; None: no bound."""

    jobs_in_flight: int | None = None
    gpu_hours: float | None = None
    artifact_bytes: int | None = None


class Key(Answer):
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
    """A key with its secret in ``key``, which the service shows this once."""

    key: str


class Share(Answer):
    """How much of a quota is used."""

    used: float
    allowed: float | None = None


class Me(Answer):
    """Who this client is to the service; ``key`` is None where it needs none."""

    name: str
    scopes: list[str] = []
    key: Key | None = None
    quotas: dict[str, Share] | None = None
