"""Request metrics: the number of requests by status, and the time until the response began."""

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
"""The ``route`` label of requests that match no route. Their paths are not used as labels, because
clients can invent any number of paths."""

# The creation time of each series makes a third of the response, and no client uses it.
disable_created_metrics()  # type: ignore[no-untyped-call] # theirs


class RequestMetrics:
    """The number of requests, their times until a response began, and how many are open."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        """Create the metrics.

        Args:
            registry: collects them; None if several API processes share them.
        """
        self.requests = Counter(
            "zpruner_http_requests",
            "Requests with a response.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "zpruner_http_request_seconds",
            "Time until a response began.",
            ["method", "route"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self.open = Gauge(
            "zpruner_http_open_requests",
            "Requests and streams that have not ended.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.open.set(0)  # a shared value may be that of an earlier process, which was killed


class RequestMetricsMiddleware:
    """Counts requests, and measures the time until each response or stream begins."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
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
