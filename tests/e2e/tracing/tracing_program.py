"""Submits a job, runs it, prints the spans: ``tracing_program.py FOLDER TRACE``."""

import json
import sys
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import open_sessions
from db.files.file_store import FileStore
from tests.api.conftest import NO_HUB
from tests.fakes import ListQueue
from tests.worker.work import work
from worker.attempts.run import Runner
from worker.settings import WorkerSettings


def main(folder: Path, caller: str) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    settings = ApiSettings.model_validate({"data_dir": folder, "hf_endpoint": NO_HUB})
    job = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
    headers = {"traceparent": f"00-{caller}-b7ad6b7169203331-01"}
    with TestClient(create_app(settings, ListQueue()), base_url="http://127.0.0.1") as client:
        job_id = client.post("/v1/jobs", json=job, headers=headers).json()["id"]
        for path in ("/healthz", "/metrics"):
            client.get(path).raise_for_status()
    sessions, store = open_sessions(settings.database), FileStore(folder / "artifacts")
    Runner(sessions, store, work(), WorkerSettings(data_dir=folder), worker="test/1").run(job_id)
    sessions.kw["bind"].dispose()
    print(json.dumps([span_json(span) for span in exporter.get_finished_spans()]))  # noqa: T201 - its result


def span_json(span: ReadableSpan) -> dict[str, Any]:
    assert span.context is not None
    return {
        "name": span.name,
        "trace": trace.format_trace_id(span.context.trace_id),
        "id": trace.format_span_id(span.context.span_id),
        "parent": trace.format_span_id(span.parent.span_id) if span.parent else None,
        "links": [
            [trace.format_trace_id(one.context.trace_id), trace.format_span_id(one.context.span_id)]
            for one in span.links
        ],
        "events": [event.name for event in span.events],
        "attributes": dict(span.attributes or {}),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
