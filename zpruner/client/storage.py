"""The storage of finished jobs' files, and the retention rules."""

from collections.abc import Sequence
from typing import Any

from zpruner.client.models.storage import Retention, StorageUse
from zpruner.client.resources import Resource
from zpruner.client.transport.modes import Mode, operation


class Storage(Resource[Mode]):
    """The storage of finished jobs' files."""

    @operation
    async def use(self) -> StorageUse:
        """Return how much storage the files take, in total, by model and by label."""
        return StorageUse.model_validate(await self._transport.get("/v1/storage"))

    @operation
    async def retention(
        self, *, rules: Sequence[dict[str, Any]] | None = None, limit: int = 100
    ) -> Retention:
        """Return whose files the retention rules would delete now; nothing is deleted.

        Args:
            rules: rules to try; by default, those of the service.
            limit: the maximum length of ``deletions``.
        """
        params = {"limit": limit}
        if rules is None:
            return Retention.model_validate(await self._transport.get("/v1/retention", params))
        path, body = "/v1/retention/preview", {"rules": list(rules)}
        preview = await self._transport.request_json("POST", path, json=body, params=params)
        return Retention.model_validate(preview)
