"""A span for each request, where traces are made."""

from importlib import import_module

from fastapi import FastAPI
from opentelemetry import trace

UNTRACED = "healthz,readyz,metrics"


def trace_requests(app: FastAPI) -> None:
    """Have every request traced, if this process makes traces."""
    provider = trace.get_tracer_provider()
    if not hasattr(provider, "add_span_processor"):  # the one that makes none
        return
    instrument = import_module("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor
    instrument.instrument_app(
        app, tracer_provider=provider, excluded_urls=UNTRACED, exclude_spans=["receive", "send"]
    )
