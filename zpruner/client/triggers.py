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
        """Create a trigger; its jobs count towards the quotas of this client's key.

        Args:
            name: a name to show in lists.
            source: the kind of system that calls it, such as github or generic.
            job: fields of the job; fields set by ``map`` may be missing.
            filter: for each JSON pointer into the payload, the required value or a list of allowed
                values.
            map: for each field of the job that the payload sets (``labels.NAME`` for a label), a
                JSON pointer to the value in the payload.
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
        """Return a trigger."""
        return Trigger.model_validate(await self._transport.get(f"/v1/triggers/{trigger_id}"))

    @operation
    async def update(self, /, trigger_id: str, **changes: Any) -> Trigger:
        """Replace a trigger's ``name``, ``job``, ``filter`` or ``map``."""
        path = f"/v1/triggers/{trigger_id}"
        return Trigger.model_validate(
            await self._transport.request_json("PATCH", path, json=changes)
        )

    @operation
    async def delete(self, trigger_id: str) -> None:
        """Delete a trigger and its deliveries; its jobs are kept."""
        await self._transport.send("DELETE", f"/v1/triggers/{trigger_id}")

    @operation
    async def rotate(self, trigger_id: str, *, grace_s: int | None = None) -> NewTrigger:
        """Replace a trigger's secret.

        The old secret stays valid for ``grace_s`` seconds, by default a day.
        """
        body = {} if grace_s is None else {"grace_s": grace_s}
        return NewTrigger.model_validate(await self._post(f"/{trigger_id}/rotate", body))

    @operation
    async def test(self, trigger_id: str, payload: Any) -> TriggerTest:
        """Return the outcome that a call with this payload would have; start and store nothing."""
        return TriggerTest.model_validate(
            await self._post(f"/{trigger_id}/test", {"payload": payload})
        )

    @operation
    async def deliveries(self, trigger_id: str, *, limit: int = 50) -> Sequence[TriggerDelivery]:
        """Return at most ``limit`` deliveries of the last thirty days, newest first."""
        path, params = f"/v1/triggers/{trigger_id}/deliveries", {"limit": min(limit, 200)}
        rows = await self._transport.rows(path, params, limit)
        return [TriggerDelivery.model_validate(row) for row in rows]

    async def _post(self, below: str, body: Mapping[str, Any]) -> Any:
        return await self._transport.request_json("POST", f"/v1/triggers{below}", json=body)
