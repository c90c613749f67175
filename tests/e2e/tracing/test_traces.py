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

from tests.e2e.embedded import SPEC, WITHIN_S, Service, serving
from tests.hub import Hub
from zpruner import Client

pytestmark = pytest.mark.e2e
SECRET = "canary.5e80c1b7d94f2a63"


class Collector(BaseHTTPRequestHandler):
    spans: dict[str, tuple[str, Any]]
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        request = ExportTraceServiceRequest.FromString(self.bodies[-1])
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
def collecting() -> Iterator[tuple[str, type[Collector]]]:
    handler = type("Handler", (Collector,), {"spans": {}, "bodies": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_collector_receives_request_and_attempt_with_a_link_but_no_secret(
    data_dir: Path, inputs: Path
) -> None:
    with Hub() as hub, collecting() as (url, collector):
        files = {one.name: one.read_bytes() for one in (inputs / "tiny").iterdir()}
        hub.add_model("org/private", files, token=SECRET)
        settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(data_dir / "huggingface")}
        settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "ZPRUNER_TRACING": "true"}
        with serving(data_dir, inputs, **settings) as service, Client(service.url) as client:
            client.secrets.set("hf", SECRET)
            spec: dict[str, Any] = SPEC | {"samples": 4, "model_secret": "hf"}
            job = client.jobs.wait(client.jobs.create("org/private", **spec).id, timeout_s=WITHIN_S)
            assert job.status == "succeeded"
            wait_for_spans(collector.spans, service)
    (api, submitted), (worker, attempt) = (collector.spans[name] for name in ("submit", "attempt"))
    assert (api, worker) == ("zpruner-api", "zpruner-worker")
    (link,) = attempt.links
    assert (link.trace_id, link.span_id) == (submitted.trace_id, submitted.span_id)
    assert [event.name for event in attempt.events][:3] == ["resolving", "loading", "calibrating"]
    assert [body for body in collector.bodies if SECRET.encode() in body] == []


def wait_for_spans(spans: dict[str, tuple[str, Any]], service: Service) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not {"POST /v1/jobs", "submit", "attempt"} <= spans.keys():
        assert time.monotonic() < deadline, (sorted(spans), service.log())
        time.sleep(0.1)
