"""The workers of a service, and the queues that they take jobs from."""

from collections.abc import Sequence

from zpruner.models import Queue, Worker
from zpruner.transport import Transport


class Workers:
    """The workers of a service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Sequence[Worker]:
        """Return the workers, also those that were lost lately."""
        return [Worker.model_validate(row) for row in self._transport.pages("/v1/workers")]

    def queues(self) -> Sequence[Queue]:
        """Return the queues."""
        return [Queue.model_validate(row) for row in self._transport.pages("/v1/queues")]

    def drain(self, worker_id: str) -> Worker:
        """Have a worker finish what it holds and take nothing new."""
        return self._post(worker_id, "drain")

    def undrain(self, worker_id: str) -> Worker:
        """Have a worker take jobs again."""
        return self._post(worker_id, "undrain")

    def _post(self, worker_id: str, action: str) -> Worker:
        response = self._transport.send("POST", f"/v1/workers/{worker_id}/{action}")
        return Worker.model_validate(response.json())
