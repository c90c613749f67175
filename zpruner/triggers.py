"""The triggers of a service, for its admins."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from zpruner.transport import Transport
from zpruner.trigger_models import NewTrigger, Trigger, TriggerDelivery, TriggerTest


class Triggers:
    """The triggers of a service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
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
        return NewTrigger.model_validate(self._post("", body))

    def list(self) -> Sequence[Trigger]:
        """Return all triggers, newest first."""
        return [Trigger.model_validate(row) for row in self._transport.pages("/v1/triggers")]

    def get(self, trigger_id: str) -> Trigger:
        """Return one trigger."""
        return Trigger.model_validate(self._transport.get(f"/v1/triggers/{trigger_id}"))

    def update(self, trigger_id: str, **changes: Any) -> Trigger:
        """Change its ``name``, ``job``, ``filter`` or ``map``, each as a whole."""
        path = f"/v1/triggers/{trigger_id}"
        return Trigger.model_validate(self._transport.send("PATCH", path, json=changes).json())

    def delete(self, trigger_id: str) -> None:
        """Delete a trigger with the record of its calls; the jobs stay."""
        self._transport.send("DELETE", f"/v1/triggers/{trigger_id}")

    def rotate(self, trigger_id: str, *, grace_s: int | None = None) -> NewTrigger:
        """Give it a new secret; the old one is good for ``grace_s`` more, a day by default."""
        body = {} if grace_s is None else {"grace_s": grace_s}
        return NewTrigger.model_validate(self._post(f"/{trigger_id}/rotate", body))

    def test(self, trigger_id: str, payload: Any) -> TriggerTest:
        """Return what a call with this payload would start; nothing starts."""
        return TriggerTest.model_validate(self._post(f"/{trigger_id}/test", {"payload": payload}))

    def deliveries(self, trigger_id: str, *, limit: int = 50) -> Sequence[TriggerDelivery]:
        """Return at most ``limit`` calls of the last thirty days, newest first."""
        return [*islice(self._deliveries(trigger_id, limit), limit)]

    def _deliveries(self, trigger_id: str, limit: int) -> Iterator[TriggerDelivery]:
        params = {"limit": min(limit, 200)}
        for row in self._transport.pages(f"/v1/triggers/{trigger_id}/deliveries", params):
            yield TriggerDelivery.model_validate(row)

    def _post(self, below: str, body: Mapping[str, Any]) -> Any:
        return self._transport.send("POST", f"/v1/triggers{below}", json=body).json()
