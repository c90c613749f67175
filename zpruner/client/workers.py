"""The workers and the queues of a service."""

from collections.abc import Sequence

from zpruner.client.models.jobs import Queue, Worker
from zpruner.client.resources import Resource
from zpruner.client.transport.modes import Mode, operation


class Workers(Resource[Mode]):
    """The workers of a service."""

    @operation
    async def list(self) -> Sequence[Worker]:
        """Return the workers, including those that were lost recently."""
        return [Worker.model_validate(row) for row in await self._transport.rows("/v1/workers")]

    @operation
    async def queues(self) -> Sequence[Queue]:
        """Return the queues."""
        return [Queue.model_validate(row) for row in await self._transport.rows("/v1/queues")]

    @operation
    async def drain(self, worker_id: str) -> Worker:
        """Let a worker finish its job and claim no new one."""
        return await self._post(worker_id, "drain")

    @operation
    async def undrain(self, worker_id: str) -> Worker:
        """Let a drained worker claim jobs again."""
        return await self._post(worker_id, "undrain")

    async def _post(self, worker_id: str, action: str) -> Worker:
        response = await self._transport.send("POST", f"/v1/workers/{worker_id}/{action}")
        return Worker.model_validate(response.json())
