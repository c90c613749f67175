"""What a person sees at the end: one table, and the blocks as a sparkline."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.table import Table

from zpruner.client.job import Job
from zpruner.client.models.jobs import Artifact

BARS = "▁▂▃▄▅▆▇█"
CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Answer:
    """The demo's last line.

    Attributes:
        artifact_sha256: of the job's ``SHA256SUMS`` file, which holds every other file's.
        url: the job's archive, while a service runs on the demo's data folder.
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
        """Return the answer of a job that succeeded."""
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
        """Return the fields by name, in order."""
        return asdict(self)


def sparkline(values: Sequence[float]) -> str:
    """Return one bar per value, the lowest for the smallest, the highest for the largest."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)


def table(answer: Answer, title: str, blocks: Sequence[dict[str, Any]], size_bytes: int) -> Table:
    """Return the numbers of one finished job; ``blocks`` are its reports, in order."""
    rows = Table(title=title, title_justify="left", show_header=False)
    ratio = answer.pruned_perplexity / answer.dense_perplexity
    rows.add_row("perplexity, dense", f"{answer.dense_perplexity:.2f}")
    rows.add_row("perplexity, pruned", f"{answer.pruned_perplexity:.2f} ({ratio:.2f} x dense)")
    rows.add_row("sparsity", f"{answer.sparsity:.4%} of the pruned matrices")
    rows.add_row("seconds", f"{answer.prune_seconds:.1f}")
    rows.add_row("size", f"{size_bytes / 1e6:.0f} MB, zeros included")
    for name, label in (("output_error", "error by block"), ("prune_seconds", "seconds by block")):
        rows.add_row(label, _by_block([block[name] for block in blocks]))
    return rows


def _by_block(values: Sequence[float]) -> str:
    return f"{sparkline(values)} {min(values):.2g} to {max(values):.2g}"
