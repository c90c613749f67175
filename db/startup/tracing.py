"""OpenTelemetry tracing, off by default, and the span that records an attempt."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from opentelemetry import trace
from opentelemetry.trace import Link, Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from db.startup.settings import Settings

logger = logging.getLogger(__name__)

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
MISSING = "tracing is enabled, but OpenTelemetry is not installed: pip install 'zpruner[otel]'"
_CARRIER = TraceContextTextMapPropagator()
tracer = trace.get_tracer("zpruner")


class TracingError(Exception):
    """Tracing is enabled, but OpenTelemetry is not installed; the message has the remedy."""


def is_enabled(settings: Settings) -> bool:
    """Whether tracing is enabled and OpenTelemetry is installed.

    If only ``OTEL_EXPORTER_OTLP_ENDPOINT`` enables tracing, missing packages are just logged.

    Raises:
        TracingError: ``ZPRUNER_TRACING`` enables it, but the packages are missing.
    """
    if not settings.tracing and not os.environ.get(ENDPOINT):
        return False
    if find_spec("opentelemetry.sdk") is not None:
        return True
    if settings.tracing:
        raise TracingError(MISSING)
    logger.warning("%s is set: %s", ENDPOINT, MISSING)
    return False


def start(settings: Settings, part: str) -> None:
    """Export this process's spans to a collector, if tracing is enabled.

    Raises:
        TracingError: ``ZPRUNER_TRACING`` enables it, but the packages are missing.
    """
    if not is_enabled(settings):
        return
    sdk = import_module("opentelemetry.sdk.trace")
    export = import_module("opentelemetry.sdk.trace.export")
    otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resource = import_module("opentelemetry.sdk.resources").Resource
    os.environ.setdefault("OTEL_SERVICE_NAME", f"zpruner-{part}")
    provider = sdk.TracerProvider(resource=resource.create())
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def traceparent() -> str | None:
    """Return the W3C ``traceparent`` of the current span; None if there is no span."""
    carrier: dict[str, str] = {}
    _CARRIER.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def attempt_span(job_id: str, number: int, request_traceparent: str | None) -> Iterator[Span]:
    """Record a span for an attempt, linked to the request that submitted its job."""
    attributes: dict[str, str | int] = {"zpruner.job_id": job_id, "zpruner.attempt": number}
    try:
        with tracer.start_as_current_span(
            "attempt", attributes=attributes, links=_links_to(request_traceparent)
        ) as span:
            yield span
    finally:
        flush()  # the process ends with its job


def flush() -> None:
    """Export all finished spans now."""
    if send := getattr(trace.get_tracer_provider(), "force_flush", None):
        send()


def _links_to(request_traceparent: str | None) -> list[Link]:
    if request_traceparent is None:
        return []
    context = _CARRIER.extract({"traceparent": request_traceparent})
    return [Link(trace.get_current_span(context).get_span_context())]
