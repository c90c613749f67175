"""Parts of the demo; tests/e2e runs the whole demo."""

from datetime import UTC, datetime

from demo.report import Summary, sparkline
from zpruner.client.job import Job
from zpruner.client.models.jobs import Artifact

METRICS = {
    "dense_perplexity": 28.7,
    "pruned_perplexity": 67.5,
    "sparsity": 0.5,
    "prune_seconds": 11.0,
    "peak_memory_bytes": 1,
}


def test_a_sparkline_rises_from_the_smallest_to_the_largest() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"


def test_a_sparkline_of_equal_values_is_flat_and_without_values_empty() -> None:
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([]) == ""


def test_the_last_line_has_the_digest_of_the_list_of_all_files() -> None:
    job = Job(id="job_1", status="succeeded", created_at=datetime.now(UTC), result=METRICS)
    files = [
        Artifact(id=f"art_{name}", name=name, size_bytes=1, sha256=name.lower())
        for name in ("report.json", "SHA256SUMS")
    ]

    summary = Summary.of(job, files, "http://127.0.0.1:1").as_dict()

    assert list(summary) == [
        "job_id",
        "dense_perplexity",
        "pruned_perplexity",
        "sparsity",
        "prune_seconds",
        "artifact_sha256",
        "url",
    ]
    assert summary["artifact_sha256"] == "sha256sums"
    assert summary["url"] == "http://127.0.0.1:1/v1/jobs/job_1/archive"
