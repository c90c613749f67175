"""Schemas of sweeps in responses."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from api.schemas.jobs import REDUCTION
from api.schemas.pages import Page
from db.core.states import FINAL, JobState
from db.jobs.pareto import pareto_front, sparsest, tradeoff
from db.jobs.sweeps import Point
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate, Verdict, metric_value
from db.spec.reduction import reduction, removed_share
from db.tables.jobs import Job, Sweep

DENSE_LOSS_SHARED = "dense_loss_known"
"""The metric that is true if a job took the dense model's loss from an earlier job."""


class PointRead(BaseModel):
    """One job of a sweep."""

    job_id: str
    varied: dict[str, Any] = Field(description="The varied fields, with this point's values.")
    status: JobState
    progress: float
    verdict: Verdict
    reduction: float | None = Field(description=REDUCTION)
    sparsity: float | None = Field(description="The measured sparsity.")
    removed: float | None = Field(
        description="The share of the dense model's parameters that were removed, with channels, "
        "heads or blocks; null if none were."
    )
    perplexity: float | None
    perplexity_ratio: float | None = Field(
        description="The pruned model's perplexity, divided by the dense model's."
    )
    on_front: bool = Field(
        description="Whether the point is on the Pareto front: no other point has as high a "
        "reduction (to half a percentage point) and as low a perplexity, and is better in one of "
        "both."
    )


class DenseRead(BaseModel):
    """The dense model's perplexity, and how many points measured or reused it."""

    perplexity: float | None = Field(description="Null until a point has succeeded.")
    measured: int = Field(description="How many points measured it.")
    shared: int = Field(description="How many points took it from an earlier job.")


class SweepSummary(BaseModel):
    """A sweep without its points."""

    id: str
    name: str | None
    labels: dict[str, Any]
    model: str | None = Field(
        description="The model of all points; the digest of a name of more than 256 bytes. Null if "
        "all of its jobs were deleted."
    )
    max_parallel: int | None
    created_at: datetime
    total: int
    counts: dict[JobState, int] = Field(description="The number of points of each status.")
    is_final: bool = Field(description="Whether all points have ended.")
    links: dict[str, str]

    @classmethod
    def of(cls, sweep: Sweep, counts: Mapping[JobState, int], model: str | None) -> Self:
        return cls(**_summary(sweep, counts, model))


class SweepRead(SweepSummary):
    """A sweep with its points."""

    points: list[PointRead]
    gate: Gate | None = Field(description="The bounds that decide each point's verdict.")
    best: str | None = Field(
        description="The job with the highest reduction that has passed the gate; of equal ones, "
        "that with the lowest perplexity. Null without a gate, and while none has passed."
    )
    front: list[str] = Field(description="The jobs on the Pareto front, the most reduced last.")
    dense: DenseRead

    @classmethod
    def with_points(cls, sweep: Sweep, jobs: Sequence[Job]) -> Self:
        counts: dict[JobState, int] = {}
        for job in jobs:
            counts[job.status] = counts.get(job.status, 0) + 1
        trades = [tradeoff(job.result or {}) for job in jobs]
        front = pareto_front(trades)
        points = [
            _point(job, sweep.varied[job.sweep_point or 0], index in front)
            for index, job in enumerate(jobs)
        ]
        on_front = sorted(front, key=lambda index: ((trades[index] or (0.0,))[0], index))
        gate = next((job.gate for job in jobs), None)  # all have the same
        passed = [job.verdict is Verdict.passed for job in jobs]
        best = sparsest([trade if yes else None for trade, yes in zip(trades, passed, strict=True)])
        return cls(
            **_summary(sweep, counts, next((job.spec.model for job in jobs), None)),
            points=points,
            gate=None if gate is None else Gate.model_validate(gate),
            best=None if best is None else jobs[best].id,
            front=[jobs[index].id for index in on_front],
            dense=_dense(jobs),
        )


class SweepPage(Page[SweepSummary]):
    """One page of a list of sweeps."""


class SweepPreview(BaseModel):
    """The sweep that a submission would create."""

    name: str | None
    labels: dict[str, Any]
    max_parallel: int | None
    gate: Gate | None
    total: int
    points: list["PointPreview"]
    warnings: list[str] = Field(description="What could not be checked, or is likely a mistake.")


class PointPreview(BaseModel):
    """One point of the sweep that a submission would create."""

    varied: dict[str, Any]
    spec: PruneSpec = Field(description="With all defaults filled in.")

    @classmethod
    def of(cls, point: Point) -> Self:
        return cls(varied=point.varied, spec=point.spec)


def _summary(sweep: Sweep, counts: Mapping[JobState, int], model: str | None) -> dict[str, Any]:
    base = f"/v1/sweeps/{sweep.id}"
    plain = ("id", "name", "labels", "max_parallel", "created_at")
    return {name: getattr(sweep, name) for name in plain} | {
        "model": model,
        "total": len(sweep.varied),
        "counts": dict(counts),
        "is_final": set(counts) <= FINAL,
        "links": {"self": base, "cancel": f"{base}/cancel", "jobs": f"/v1/jobs?sweep={sweep.id}"},
    }


def _point(job: Job, varied: dict[str, Any], on_front: bool) -> PointRead:
    metrics = job.result or {}
    return PointRead(
        job_id=job.id,
        varied=varied,
        status=job.status,
        progress=job.progress,
        verdict=job.verdict,
        reduction=reduction(metrics),
        sparsity=metric_value(metrics, "sparsity"),
        removed=removed_share(metrics),
        perplexity=metric_value(metrics, "pruned_perplexity"),
        perplexity_ratio=metric_value(metrics, "perplexity_ratio"),
        on_front=on_front,
    )


def _dense(jobs: Sequence[Job]) -> DenseRead:
    shared = [
        job.result[DENSE_LOSS_SHARED]
        for job in jobs
        if job.result and DENSE_LOSS_SHARED in job.result
    ]
    perplexities = (metric_value(job.result or {}, "dense_perplexity") for job in jobs)
    perplexity = next((value for value in perplexities if value is not None), None)
    return DenseRead(perplexity=perplexity, measured=shared.count(False), shared=shared.count(True))
