"""The metrics of several processes, one of which is killed and started again."""

import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

# A process with two requests that have ended and one that has not; then it is killed.
PROGRAM = """
import os, sys
from pathlib import Path
from prometheus_client import generate_latest
from api.services.metrics import Metrics
from api.services.shared_metrics import SharedMetrics
from db.core.session import open_sessions
from db.files.file_store import FileStore
folder, process, database = sys.argv[1:]
store, shared = FileStore(Path(folder)), SharedMetrics(Path(folder), int(process))
metrics = Metrics(open_sessions(database), store, shared=shared)
sys.stdout.write(generate_latest(metrics.registry).decode())
sys.stdout.flush()
metrics.requests.requests.labels("GET", "/v1/jobs", 200).inc(2)
metrics.requests.seconds.labels("GET", "/v1/jobs").observe(0.02)
metrics.requests.open.inc()
os.kill(os.getpid(), 9)
"""


def scrape(folder: Path, process: int, database: str) -> dict[str, float]:
    """Run one process; return its metrics of requests before those that it counts itself."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(process), database]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    found = (one for family in text_string_to_metric_families(told) for one in family.samples)
    return {one.name: one.value for one in found if one.name.startswith("zpruner_http_")}


def test_counters_include_killed_processes_and_are_continued_but_their_open_requests_have_ended(
    tmp_path: Path, database_url: str
) -> None:
    (folder := tmp_path / "shared").mkdir()
    assert "zpruner_http_requests_total" not in scrape(folder, 1, database_url)
    second = scrape(folder, 2, database_url)
    assert second["zpruner_http_requests_total"] == 2
    assert second["zpruner_http_request_seconds_count"] == 1
    files = sorted(folder.iterdir())
    again = scrape(folder, 1, database_url)
    assert again["zpruner_http_requests_total"] == 4
    assert again["zpruner_http_open_requests"] == 1  # that of process 2, which was not restarted
    assert sorted(folder.iterdir()) == files
