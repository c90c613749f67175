"""The rows of the benchmark of a GPU, and their table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FORWARD = "one forward pass"
"""The job with which the others are compared."""
GB = 1_000_000_000


@dataclass(frozen=True)
class Row:
    """What was measured of one job on one shape.

    Attributes:
        shape, job: their names.
        seconds: from the first read to the last write.
        whole_seconds: the same times the blocks of the whole model over the measured ones.
        tokens_per_second: calibration or training tokens.
        share: of the device's rate in a large product of the same dtype: the arithmetic of one
            forward pass, or of the training, over the time.
        peak_bytes: peak of the tensors on the GPU; None on a CPU.
    """

    shape: str
    job: str
    seconds: float
    whole_seconds: float
    tokens_per_second: float
    share: float
    peak_bytes: int | None


def markdown(
    rows: Sequence[Row],
    agreement: Mapping[str, float],
    left_out: Sequence[str],
    where: Mapping[str, object],
) -> str:
    lines = [
        "| model | job | seconds | of the whole model | over one forward pass | tokens a second "
        "| share of a product's rate | peak |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *(line(row, rows) for row in rows),
        "",
        *([f"Left out, because the time was over: {'; '.join(left_out)}.", ""] if left_out else []),
        "Weights of a small model that are pruned as on the CPU: "
        + ", ".join(f"{job} {share:.2%}" for job, share in agreement.items())
        + ".",
        "",
        f"Measured on: {', '.join(f'{name} {value}' for name, value in where.items())}.",
    ]
    return "\n".join([*lines, ""])


def line(row: Row, rows: Sequence[Row]) -> str:
    forward = [one.seconds for one in rows if (one.shape, one.job) == (row.shape, FORWARD)]
    ratio = f"{row.seconds / forward[0]:.1f}" if forward else ""
    peak = "" if row.peak_bytes is None else f"{row.peak_bytes / GB:.1f} GB"
    return (
        f"| {row.shape} | {row.job} | {row.seconds:.1f} | {row.whole_seconds:.0f} | {ratio} "
        f"| {row.tokens_per_second:,.0f} | {row.share:.1%} | {peak} |"
    )
