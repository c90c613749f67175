"""The typed Python client of the service."""

import os
from types import TracebackType
from typing import Any

import httpx

from zpruner.datasets import Datasets
from zpruner.estimates import ESTIMATE_WITHIN_S, estimate
from zpruner.fields import job_fields
from zpruner.jobs import Jobs
from zpruner.key_models import Me
from zpruner.keys import Keys
from zpruner.planning_models import Comparison, Estimate
from zpruner.sweeps import Sweeps
from zpruner.transport import Transport
from zpruner.triggers import Triggers
from zpruner.webhooks import Webhooks
from zpruner.workers import Workers

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 30.0


class Client:
    """Talks to one service; ``Client()`` means ``ZPRUNER_URL``, else the local one."""

    def __init__(self, base_url: str | None = None, api_key: str | None = None) -> None:
        base_url = base_url or os.environ.get("ZPRUNER_URL") or DEFAULT_URL
        api_key = api_key or os.environ.get("ZPRUNER_API_KEY")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_S)
        self._transport = Transport(self._http)
        self.jobs = Jobs(self._transport)
        self.datasets = Datasets(self._transport)
        self.workers = Workers(self._transport)
        self.keys = Keys(self._transport)
        self.sweeps = Sweeps(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.triggers = Triggers(self._transport)

    def me(self) -> Me:
        """Return who this client is to the service, and what is used of its quotas."""
        return Me.model_validate(self._transport.get("/v1/me"))

    def estimate(
        self,
        model: str,
        sparsity: float | None = None,
        dataset: str | None = None,
        *,
        timeout_s: float = ESTIMATE_WITHIN_S,
        **options: Any,
    ) -> Estimate:
        """Return what a job would take; refused like the job itself.

        Raises:
            TimeoutError: the service has not found it out in time.
        """
        body = job_fields(model, sparsity, dataset, options)
        return estimate(self._transport, body, timeout_s)

    def compare(self, *job_ids: str) -> Comparison:
        """Hold jobs against the first of them."""
        params = {"ids": ",".join(job_ids)}
        return Comparison.model_validate(self._transport.get("/v1/compare", params))

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
