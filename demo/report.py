"""The result of the demo: a table for people, and a line of JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.table import Table

from zpruner.client.job import Job
from zpruner.client.models.jobs import Artifact

BARS = "▁▂▃▄▅▆▇█"
CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Summary:
    """The figures of the demo, printed as JSON on the last line of its output.

    Attributes:
        artifact_sha256: SHA-256 of the job's ``SHA256SUMS`` file, which lists all other files.
        url: URL of the job's archive; it works while a service uses the demo's port and data
            folder.
    """

    job_id: str
    dense_perplexity: float
    pruned_perplexity: float
    sparsity: float
    prune_seconds: float
    artifact_sha256: str
    url: str

    @classmethod
    def of(cls, job: Job, artifacts: Sequence[Artifact], base_url: str) -> Self:
        """Return the summary of a job that has succeeded."""
        metrics: dict[str, Any] = job.result or {}
        (checksums,) = [one for one in artifacts if one.name == CHECKSUMS]
        return cls(
            job_id=job.id,
            dense_perplexity=metrics["dense_perplexity"],
            pruned_perplexity=metrics["pruned_perplexity"],
            sparsity=metrics["sparsity"],
            prune_seconds=metrics["prune_seconds"],
            artifact_sha256=checksums.sha256,
            url=f"{base_url}/v1/jobs/{job.id}/archive",
        )

    def as_dict(self) -> dict[str, str | float]:
        return asdict(self)


def sparkline(values: Sequence[float]) -> str:
    """Return a string with one bar per value, scaled between the smallest and the largest value."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)


def table(summary: Summary, title: str, blocks: Sequence[dict[str, Any]], size_bytes: int) -> Table:
    """Return a table of a job's figures; ``blocks`` holds the measurements of each block."""
    rows = Table(title=title, title_justify="left", show_header=False)
    ratio = summary.pruned_perplexity / summary.dense_perplexity
    rows.add_row("perplexity, dense", f"{summary.dense_perplexity:.2f}")
    rows.add_row("perplexity, pruned", f"{summary.pruned_perplexity:.2f} ({ratio:.2f} x dense)")
    rows.add_row("sparsity", f"{summary.sparsity:.4%} of the pruned matrices")
    rows.add_row("seconds", f"{summary.prune_seconds:.1f}")
    rows.add_row("size", f"{size_bytes / 1e6:.0f} MB, zeros included")
    for name, label in (("output_error", "error by block"), ("prune_seconds", "seconds by block")):
        rows.add_row(label, _by_block([block[name] for block in blocks]))
    return rows


def _by_block(values: Sequence[float]) -> str:
    return f"{sparkline(values)} {min(values):.2g} to {max(values):.2g}"
