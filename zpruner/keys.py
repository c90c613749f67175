"""The keys of a service, for its admins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from zpruner.key_models import Key, NewKey
from zpruner.transport import Transport


class Keys:
    """The keys of a service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        name: str,
        scopes: Sequence[str] | None = None,
        *,
        expires_at: datetime | None = None,
        **quotas: float | None,
    ) -> NewKey:
        """Make a key; ``quotas`` are ``jobs_in_flight``, ``gpu_hours`` and ``artifact_bytes``."""
        body: dict[str, Any] = {"name": name, "quotas": quotas}
        if scopes is not None:
            body["scopes"] = list(scopes)
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        return NewKey.model_validate(self._transport.send("POST", "/v1/keys", json=body).json())

    def list(self) -> Sequence[Key]:
        """Return all keys, newest first, with those that open nothing any longer."""
        return [Key.model_validate(row) for row in self._transport.pages("/v1/keys")]

    def get(self, key_id: str) -> Key:
        """Return one key."""
        return Key.model_validate(self._transport.get(f"/v1/keys/{key_id}"))

    def revoke(self, key_id: str) -> Key:
        """End a key at once; asking twice changes nothing."""
        return Key.model_validate(self._transport.send("DELETE", f"/v1/keys/{key_id}").json())

    def rotate(self, key_id: str, *, grace_s: int | None = None) -> NewKey:
        """Give a key a new secret; the old one opens for ``grace_s`` more, a day by default."""
        body = {} if grace_s is None else {"grace_s": grace_s}
        path = f"/v1/keys/{key_id}/rotate"
        return NewKey.model_validate(self._transport.send("POST", path, json=body).json())
