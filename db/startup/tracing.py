"""Traces (OpenTelemetry): nothing unless they are asked for, and then a span for each attempt."""

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

log = logging.getLogger(__name__)

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
MISSING = "traces are asked for, but not installed: pip install 'zpruner[otel]'"
_CARRIER = TraceContextTextMapPropagator()
tracer = trace.get_tracer("zpruner")


class TracingError(Exception):
    """Traces cannot be made; the text says what to do."""


def is_enabled(settings: Settings) -> bool:
    """Whether traces are asked for and can be made.

    Raises:
        TracingError: ``ZPRUNER_TRACING`` asks for them, and the packages are not there.
    """
    if not settings.tracing and not os.environ.get(ENDPOINT):
        return False
    if find_spec("opentelemetry.sdk") is not None:
        return True
    if settings.tracing:
        raise TracingError(MISSING)
    log.warning("%s is set: %s", ENDPOINT, MISSING)
    return False


def start(settings: Settings, part: str) -> None:
    """Send this process's spans to a collector, if that is asked for.

    Raises:
        TracingError: ``ZPRUNER_TRACING`` asks for it, and the packages are not there.
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
    """Return what names the present span to another process; None where there is none."""
    carrier: dict[str, str] = {}
    _CARRIER.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def attempt_span(job_id: str, number: int, asked_by: str | None) -> Iterator[Span]:
    """Trace one attempt, linked to the request that asked for its job."""
    attributes: dict[str, str | int] = {"zpruner.job_id": job_id, "zpruner.attempt": number}
    try:
        with tracer.start_as_current_span(
            "attempt", attributes=attributes, links=_to(asked_by)
        ) as span:
            yield span
    finally:
        flush()  # the process ends with its job


def flush() -> None:
    """Send what is waiting to be sent."""
    if send := getattr(trace.get_tracer_provider(), "force_flush", None):
        send()


def _to(asked_by: str | None) -> list[Link]:
    if asked_by is None:
        return []
    context = _CARRIER.extract({"traceparent": asked_by})
    return [Link(trace.get_current_span(context).get_span_context())]
