"""The triggers of a service, for its admins."""

from collections.abc import Mapping, Sequence
from typing import Any

from zpruner.client.models.triggers import NewTrigger, Trigger, TriggerDelivery, TriggerTest
from zpruner.client.resources import Resource
from zpruner.client.transport.modes import Mode, operation


class Triggers(Resource[Mode]):
    """The triggers of a service."""

    @operation
    async def create(
        self,
        name: str,
        source: str,
        job: Mapping[str, Any],
        *,
        filter: Mapping[str, Any] | None = None,
        map: Mapping[str, str] | None = None,
    ) -> NewTrigger:
        """Make a trigger, whose jobs count for this client's key.

        Args:
            name: for whoever reads the list.
            source: huggingface, mlflow, github, standard or generic.
            job: fields of the job; those that ``map`` fills may be missing.
            filter: by JSON pointer into a payload, the value there, or a list of such values.
            map: by field of the job, or ``labels.NAME``, the pointer to what fills it.
        """
        body = {"name": name, "source": source, "job": dict(job)}
        body |= {"filter": dict(filter or {}), "map": dict(map or {})}
        return NewTrigger.model_validate(await self._post("", body))

    @operation
    async def list(self) -> Sequence[Trigger]:
        """Return all triggers, newest first."""
        return [Trigger.model_validate(row) for row in await self._transport.rows("/v1/triggers")]

    @operation
    async def get(self, trigger_id: str) -> Trigger:
        """Return one trigger."""
        return Trigger.model_validate(await self._transport.get(f"/v1/triggers/{trigger_id}"))

    @operation
    async def update(self, /, trigger_id: str, **changes: Any) -> Trigger:
        """Change its ``name``, ``job``, ``filter`` or ``map``, each as a whole."""
        path = f"/v1/triggers/{trigger_id}"
        return Trigger.model_validate(await self._transport.ask("PATCH", path, json=changes))

    @operation
    async def delete(self, trigger_id: str) -> None:
        """Delete a trigger with the record of its calls; the jobs stay."""
        await self._transport.send("DELETE", f"/v1/triggers/{trigger_id}")

    @operation
    async def rotate(self, trigger_id: str, *, grace_s: int | None = None) -> NewTrigger:
        """Give it a new secret; the old one is good for ``grace_s`` more, a day by default."""
        body = {} if grace_s is None else {"grace_s": grace_s}
        return NewTrigger.model_validate(await self._post(f"/{trigger_id}/rotate", body))

    @operation
    async def test(self, trigger_id: str, payload: Any) -> TriggerTest:
        """Return what a call with this payload would start; nothing starts."""
        return TriggerTest.model_validate(
            await self._post(f"/{trigger_id}/test", {"payload": payload})
        )

    @operation
    async def deliveries(self, trigger_id: str, *, limit: int = 50) -> Sequence[TriggerDelivery]:
        """Return at most ``limit`` calls of the last thirty days, newest first."""
        path, params = f"/v1/triggers/{trigger_id}/deliveries", {"limit": min(limit, 200)}
        rows = await self._transport.rows(path, params, limit)
        return [TriggerDelivery.model_validate(row) for row in rows]

    async def _post(self, below: str, body: Mapping[str, Any]) -> Any:
        return await self._transport.ask("POST", f"/v1/triggers{below}", json=body)
