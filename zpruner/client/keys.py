"""The keys of a service, for its admins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from zpruner.client.models.keys import Key, NewKey
from zpruner.client.resources import Resource
from zpruner.client.transport.modes import Mode, operation


class Keys(Resource[Mode]):
    """The keys of a service."""

    @operation
    async def create(
        self,
        /,
        name: str,
        scopes: Sequence[str] | None = None,
        *,
        expires_at: datetime | None = None,
        **quotas: float | None,
    ) -> NewKey:
        """Create a key.

        ``quotas`` are ``jobs_in_flight``, ``gpu_hours``, ``artifact_bytes`` and ``monthly_cost``.
        """
        body: dict[str, Any] = {"name": name, "quotas": quotas}
        if scopes is not None:
            body["scopes"] = list(scopes)
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        return NewKey.model_validate(
            await self._transport.request_json("POST", "/v1/keys", json=body)
        )

    @operation
    async def list(self) -> Sequence[Key]:
        """Return all keys, including revoked and expired keys, newest first."""
        return [Key.model_validate(row) for row in await self._transport.rows("/v1/keys")]

    @operation
    async def get(self, key_id: str) -> Key:
        """Return a key."""
        return Key.model_validate(await self._transport.get(f"/v1/keys/{key_id}"))

    @operation
    async def limit(self, /, key_id: str, **quotas: float | None) -> Key:
        """Change quotas of a key; None removes a limit, and others stay the same."""
        body = {"quotas": quotas}
        return Key.model_validate(
            await self._transport.request_json("PATCH", f"/v1/keys/{key_id}", json=body)
        )

    @operation
    async def revoke(self, key_id: str) -> Key:
        """Revoke a key immediately; repeating this changes nothing."""
        return Key.model_validate(
            await self._transport.request_json("DELETE", f"/v1/keys/{key_id}")
        )

    @operation
    async def rotate(self, key_id: str, *, grace_s: int | None = None) -> NewKey:
        """Replace a key's secret.

        The old secret stays valid for ``grace_s`` seconds, by default a day.
        """
        body = {} if grace_s is None else {"grace_s": grace_s}
        path = f"/v1/keys/{key_id}/rotate"
        return NewKey.model_validate(await self._transport.request_json("POST", path, json=body))
