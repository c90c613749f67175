"""The typed Python clients of the service."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Generic, Unpack

import httpx

from zpruner.client.caller_secrets import Secrets
from zpruner.client.datasets import Datasets
from zpruner.client.estimates import ESTIMATE_TIMEOUT_S, estimate
from zpruner.client.fields import Model, job_fields
from zpruner.client.jobs import Jobs
from zpruner.client.keys import Keys
from zpruner.client.models.job_options import JobOptions
from zpruner.client.models.jobs import KnownModel
from zpruner.client.models.keys import Me
from zpruner.client.models.planning import Comparison, Estimate
from zpruner.client.resources import Resource
from zpruner.client.storage import Storage
from zpruner.client.sweeps import Sweeps
from zpruner.client.transport.errors import ClientSettingError
from zpruner.client.transport.modes import Async, Mode, Sync, operation
from zpruner.client.transport.shown_url import shown_url
from zpruner.client.transport.transport import Transport
from zpruner.client.transport.transports import AsyncTransport, SyncTransport
from zpruner.client.triggers import Triggers
from zpruner.client.webhooks import Webhooks
from zpruner.client.workers import Workers

DEFAULT_URL = "http://127.0.0.1:8000"
SCHEMES = ("http", "https")
TIMEOUT_S = 30.0


class _Service(Resource[Mode], Generic[Mode]):
    """The operations of a service, for both kinds of client."""

    def __init__(self, transport: Transport[Mode]) -> None:
        super().__init__(transport)
        self.jobs = Jobs(transport)
        self.datasets = Datasets(transport)
        self.workers = Workers(transport)
        self.keys = Keys(transport)
        self.secrets = Secrets(transport)
        self.sweeps = Sweeps(transport)
        self.webhooks = Webhooks(transport)
        self.triggers = Triggers(transport)
        self.storage = Storage(transport)

    @operation
    async def me(self) -> Me:
        """Return the owner and scopes of this client's key, and how much of its quotas is used."""
        return Me.model_validate(await self._transport.get("/v1/me"))

    @operation
    async def models(self) -> Sequence[KnownModel]:
        """Return the models in the folders that jobs may read, and models that recent jobs used."""
        return [KnownModel.model_validate(row) for row in await self._transport.rows("/v1/models")]

    @operation
    async def estimate(
        self,
        /,
        model: Model,
        sparsity: float | None = None,
        dataset: str | None = None,
        *,
        timeout_s: float = ESTIMATE_TIMEOUT_S,
        **options: Unpack[JobOptions],
    ) -> Estimate:
        """Estimate the memory and time of a job; the fields are validated as in ``jobs.create``.

        Raises:
            TimeoutError: the estimate is not ready after ``timeout_s`` seconds.
        """
        body = job_fields(model, sparsity, dataset, options)
        return await estimate(self._transport, body, timeout_s)

    @operation
    async def compare(self, *job_ids: str) -> Comparison:
        """Compare jobs; the first one is the baseline."""
        params = {"ids": ",".join(job_ids)}
        return Comparison.model_validate(await self._transport.get("/v1/compare", params))


class Client(_Service[Sync]):
    """A blocking client.

    Without arguments, the URL is ``ZPRUNER_URL``, or else port 8000 of this machine. The key is
    ``ZPRUNER_API_KEY``, or else none is sent.
    """

    def __init__(self, base_url: str | None = None, api_key: str | None = None) -> None:
        self._http = httpx.Client(**_options(base_url, api_key))
        super().__init__(SyncTransport(self._http))

    def close(self) -> None:
        """Close the connections."""
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


class AsyncClient(_Service[Async]):
    """An asyncio client: methods are awaited; events and logs are asynchronous iterators."""

    def __init__(self, base_url: str | None = None, api_key: str | None = None) -> None:
        self._http = httpx.AsyncClient(**_options(base_url, api_key))
        super().__init__(AsyncTransport(self._http))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def _options(base_url: str | None, api_key: str | None) -> dict[str, Any]:
    """Return the options of an httpx client; a missing URL or key is read from the environment."""
    base_url = base_url or os.environ.get("ZPRUNER_URL") or DEFAULT_URL
    if not _is_service_url(base_url):
        form = "as http://127.0.0.1:8000, without /v1"
        problem = f"{shown_url(base_url)} is not the URL of a service. Write ZPRUNER_URL {form}."
        raise ClientSettingError(problem)
    api_key = api_key or os.environ.get("ZPRUNER_API_KEY")
    if api_key and not (api_key.isascii() and api_key.isprintable()):
        problem = "ZPRUNER_API_KEY has a character that no key has. Copy the key again."
        raise ClientSettingError(problem)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return {"base_url": base_url, "headers": headers, "timeout": TIMEOUT_S}


def _is_service_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in SCHEMES and bool(url.host) and not url.path.rstrip("/").endswith("/v1")
