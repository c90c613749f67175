"""Request metrics: the number of requests by status, and the time until the response began."""

import time
from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.services.metrics import RowCollector
from api.services.shared_metrics import SharedMetrics
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
"""The ``route`` label of requests that match no route. Their paths are not used as labels, because
clients can invent any number of paths."""

# The creation time of each series makes a third of the response, and no client uses it.
disable_created_metrics()  # type: ignore[no-untyped-call] # theirs


class Metrics:
    """The Prometheus metrics of one API process, or of all API processes if they share them."""

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        queues: Sequence[str] = (),
        shared: SharedMetrics | None = None,
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(RowCollector(sessions, store, queues))
        if shared is None:
            ProcessCollector(registry=self.registry)
        else:
            shared.register(self.registry)
        own = self.registry if shared is None else None
        self.requests = Counter(
            "zpruner_http_requests",
            "Requests with a response.",
            ["method", "route", "status"],
            registry=own,
        )
        self.seconds = Histogram(
            "zpruner_http_request_seconds",
            "Time until a response began.",
            ["method", "route"],
            buckets=BUCKETS_S,
            registry=own,
        )
        self.open = Gauge(
            "zpruner_http_open_requests",
            "Requests and streams that have not ended.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.open.set(0)  # a shared value may be that of an earlier process, which was killed


class RequestMetricsMiddleware:
    """Counts requests, and measures the time until each response or stream begins."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], time.monotonic() - started)
            await send(message)

        with self._metrics.open.track_inprogress():
            await self._app(scope, receive, count)

    def _count(self, scope: Scope, status: int, took_s: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(method, route).observe(took_s)
