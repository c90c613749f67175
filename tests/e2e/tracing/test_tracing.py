"""Traces with the real SDK, in separate processes, because a provider can be set only once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("tracing_program.py")
CALLER = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("traces")
    (folder / "zpruner.db").write_bytes(migrated_sqlite.read_bytes())
    command = [sys.executable, "-m", "tests.e2e.tracing.tracing_program", str(folder), CALLER]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROGRAM.parents[3])
    assert done.returncode == 0, done.stderr
    spans: list[dict[str, Any]] = json.loads(done.stdout)
    return spans


def named(spans: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [span for span in spans if span["name"] == name]
    return found


def test_a_request_is_part_of_its_caller_s_trace_and_named_by_its_route(
    spans: list[dict[str, Any]],
) -> None:
    request, submit = named(spans, "POST /v1/jobs"), named(spans, "submit")
    assert request["trace"] == submit["trace"] == CALLER
    assert submit["parent"] == request["id"]


def test_an_attempt_is_linked_to_the_request_and_has_events_for_its_phases(
    spans: list[dict[str, Any]],
) -> None:
    attempt, submit = named(spans, "attempt"), named(spans, "submit")
    assert attempt["trace"] != CALLER
    assert attempt["links"] == [[submit["trace"], submit["id"]]]
    assert attempt["events"] == ["resolving", "pruning"]
    assert attempt["attributes"]["zpruner.attempt"] == 1
    assert attempt["attributes"]["zpruner.status"] == "succeeded"


def test_health_checks_and_metrics_are_not_traced(spans: list[dict[str, Any]]) -> None:
    assert {span["name"] for span in spans} == {"POST /v1/jobs", "submit", "attempt"}


NO_SDK = """
import logging, sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, *rest):
        return None if name == "opentelemetry.sdk" else super().find_spec(name, *rest)
sys.meta_path[:] = [Without if one is PathFinder else one for one in sys.meta_path]
logging.basicConfig()
from db.startup import tracing
from db.startup.settings import Settings
try:
    tracing.start(Settings(), "api")
except tracing.TracingError as error:
    sys.exit(str(error))
"""


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROGRAM.parents[3])}
    return subprocess.run(
        [sys.executable, "-c", NO_SDK], env=path | variables, capture_output=True, text=True
    )


def test_tracing_without_its_packages_is_refused_with_the_remedy() -> None:
    done = start(ZPRUNER_TRACING="true")
    assert done.returncode == 1
    assert "pip install 'zpruner[otel]'" in done.stderr


def test_an_endpoint_set_for_all_programs_causes_only_a_warning() -> None:
    done = start(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318")
    assert done.returncode == 0
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set" in done.stderr
    assert "pip install 'zpruner[otel]'" in done.stderr
    assert start().stderr == ""
