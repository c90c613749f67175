"""A trace span for each request."""

from importlib import import_module

from fastapi import FastAPI
from opentelemetry import trace

UNTRACED = "healthz,readyz,metrics"


def trace_requests(app: FastAPI) -> None:
    """Trace requests if this process exports spans; health checks and metrics are not traced."""
    provider = trace.get_tracer_provider()
    if not hasattr(provider, "add_span_processor"):  # the provider that records nothing
        return
    instrument = import_module("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor
    instrument.instrument_app(
        app, tracer_provider=provider, excluded_urls=UNTRACED, exclude_spans=["receive", "send"]
    )
