"""Traces exported by the real processes to a small collector."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.embedded import serving, submit
from zpruner import Client

pytestmark = pytest.mark.e2e
WITHIN_S = 20


class Collector(BaseHTTPRequestHandler):
    spans: dict[str, tuple[str, Any]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = ExportTraceServiceRequest.FromString(self.rfile.read(length))
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans |= {span.name: (names["service.name"], span) for span in scope.spans}
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def collecting() -> Iterator[tuple[str, dict[str, tuple[str, Any]]]]:
    spans: dict[str, tuple[str, Any]] = {}
    handler = type("Handler", (Collector,), {"spans": spans})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_collector_receives_request_and_attempt_with_a_link(data_dir: Path, inputs: Path) -> None:
    with (
        collecting() as (url, spans),
        serving(data_dir, inputs, OTEL_EXPORTER_OTLP_ENDPOINT=url, ZPRUNER_TRACING="true") as it,
    ):
        with Client(it.url) as client:
            job = client.jobs.wait(submit(client, "tiny", samples=4).id, timeout_s=120)
        assert job.status == "succeeded"
        deadline = time.monotonic() + WITHIN_S
        while not {"POST /v1/jobs", "submit", "attempt"} <= spans.keys():
            assert time.monotonic() < deadline, (sorted(spans), it.log())
            time.sleep(0.1)
    (api, submitted), (worker, attempt) = spans["submit"], spans["attempt"]
    assert (api, worker) == ("zpruner-api", "zpruner-worker")
    (link,) = attempt.links
    assert (link.trace_id, link.span_id) == (submitted.trace_id, submitted.span_id)
    assert [event.name for event in attempt.events][:3] == ["resolving", "loading", "calibrating"]
