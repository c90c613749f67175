"""What a sweep looks like from outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from api.schemas.pages import Page
from db.core.states import FINAL, JobState
from db.jobs.pareto import Trade, pareto_front
from db.jobs.sweeps import Point
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate, Verdict, figure
from db.tables.jobs import Job, Sweep

SHARED = "dense_loss_known"
"""The figure that says whether a job took the dense model's loss from an earlier one."""


class PointRead(BaseModel):
    """One job of a sweep."""

    job_id: str
    varied: dict[str, Any] = Field(description="The fields in which it differs from the others.")
    status: JobState
    progress: float
    verdict: Verdict
    sparsity: float | None = Field(description="As measured.")
    perplexity: float | None
    perplexity_ratio: float | None = Field(description="Over the dense model's.")
    on_front: bool = Field(
        description="Whether no other point is at least as sparse (to a tenth of a percent) and as "
        "good, and better in one of both."
    )


class DenseRead(BaseModel):
    """Where the points that succeeded have the dense model's loss from."""

    measured: int = Field(description="How many measured it themselves.")
    shared: int = Field(description="How many took it from an earlier job.")


class SweepSummary(BaseModel):
    """One sweep in a list."""

    id: str
    name: str | None
    labels: dict[str, Any]
    max_parallel: int | None
    created_at: datetime
    total: int
    counts: dict[JobState, int] = Field(description="How many points there are of each status.")
    is_final: bool = Field(description="Whether all points have ended.")
    links: dict[str, str]

    @classmethod
    def of(cls, sweep: Sweep, counts: Mapping[JobState, int]) -> Self:
        """Return the face of a sweep's row."""
        return cls(**_summary(sweep, counts))


class SweepRead(SweepSummary):
    """One sweep with its points."""

    points: list[PointRead]
    front: list[str] = Field(description="The jobs on the Pareto front, the sparsest last.")
    dense: DenseRead

    @classmethod
    def with_points(cls, sweep: Sweep, jobs: Sequence[Job]) -> Self:
        """Return the face of a sweep and of its jobs."""
        counts: dict[JobState, int] = {}
        for job in jobs:
            counts[job.status] = counts.get(job.status, 0) + 1
        front = pareto_front([_trade(job) for job in jobs])
        points = [
            _point(job, sweep.varied[job.sweep_point or 0], place in front)
            for place, job in enumerate(jobs)
        ]
        best = sorted((one for one in points if one.on_front), key=lambda one: one.sparsity or 0)
        return cls(
            **_summary(sweep, counts),
            points=points,
            front=[one.job_id for one in best],
            dense=_dense(jobs),
        )


class SweepPage(Page[SweepSummary]):
    """Part of a list of sweeps."""


class SweepPreview(BaseModel):
    """What would be accepted."""

    name: str | None
    labels: dict[str, Any]
    max_parallel: int | None
    gate: Gate | None
    total: int
    points: list["PointPreview"]
    warnings: list[str] = Field(description="What could not be checked.")


class PointPreview(BaseModel):
    """One point that would be accepted."""

    varied: dict[str, Any]
    spec: PruneSpec = Field(description="With every default filled in.")

    @classmethod
    def of(cls, point: Point) -> Self:
        """Return the face of a point."""
        return cls(varied=point.varied, spec=point.spec)


def _summary(sweep: Sweep, counts: Mapping[JobState, int]) -> dict[str, Any]:
    base = f"/v1/sweeps/{sweep.id}"
    plain = ("id", "name", "labels", "max_parallel", "created_at")
    return {name: getattr(sweep, name) for name in plain} | {
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
        sparsity=figure(metrics, "sparsity"),
        perplexity=figure(metrics, "pruned_perplexity"),
        perplexity_ratio=figure(metrics, "perplexity_ratio"),
        on_front=on_front,
    )


def _trade(job: Job) -> Trade | None:
    metrics = job.result or {}
    sparsity, perplexity = (figure(metrics, name) for name in ("sparsity", "pruned_perplexity"))
    return None if sparsity is None or perplexity is None else (sparsity, perplexity)


def _dense(jobs: Sequence[Job]) -> DenseRead:
    said = [job.result[SHARED] for job in jobs if job.result and SHARED in job.result]
    return DenseRead(measured=said.count(False), shared=said.count(True))
