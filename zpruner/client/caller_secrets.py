"""The secrets of a client's key, which jobs use by name."""

from collections.abc import Sequence
from urllib.parse import quote

from zpruner.client.models.keys import Secret
from zpruner.client.resources import Resource
from zpruner.client.transport.modes import Mode, operation


class Secrets(Resource[Mode]):
    """The secrets of a client's key; their values can be set, but never read."""

    @operation
    async def create(self, name: str, value: str) -> Secret:
        """Store a new secret; an existing one is not replaced.

        Raises:
            ProblemError: there is a secret of this name (code ``secret_exists``).
        """
        body = {"name": name, "value": value}
        response = await self._transport.request_json("POST", "/v1/secrets", json=body)
        return Secret.model_validate(response)

    @operation
    async def set(self, name: str, value: str) -> Secret:
        """Replace a secret's value, or store a new secret."""
        body = {"value": value}
        response = await self._transport.request_json("PUT", _path(name), json=body)
        return Secret.model_validate(response)

    @operation
    async def list(self) -> Sequence[Secret]:
        """Return the secrets of this client's key, by name; for an admin, those of all keys."""
        return [Secret.model_validate(row) for row in await self._transport.rows("/v1/secrets")]

    @operation
    async def delete(self, name: str, *, key_id: str | None = None) -> None:
        """Delete a secret; an admin can delete that of another key, ``key_id``.

        The secrets of callers without a key have the ``key_id`` ``none``.
        """
        params = {} if key_id is None else {"key": key_id}
        await self._transport.send("DELETE", _path(name), params=params)


def _path(name: str) -> str:
    return f"/v1/secrets/{quote(name, safe='')}"
