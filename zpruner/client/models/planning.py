"""Responses about estimates, comparisons and sweeps."""

from typing import Any

from zpruner.client.models.jobs import ResponseModel


class Model(ResponseModel):
    """The model for which an estimate was made."""

    name: str
    revision: str | None = None
    parameters: int
    blocks: int


class Memory(ResponseModel):
    """The predicted peak memory of a job; ``scratch_bytes`` is the size of its temporary files."""

    host_bytes: int
    device_bytes: int = 0
    scratch_bytes: int = 0


class Seconds(ResponseModel):
    """The predicted run time of a job: its 50th and 90th percentiles, in seconds."""

    p50: float
    p90: float


class LikelyCost(ResponseModel):
    """The predicted cost of a job: its 50th and 90th percentiles."""

    p50: float
    p90: float
    currency: str


class Basis(ResponseModel):
    """What a predicted time rests on, also as text; ``slowdown`` is 1 on an idle machine."""

    jobs: int = 0
    correction: float = 1.0
    slowdown: float = 1.0
    speed_was_busy: bool = False
    text: str


class Recovery(ResponseModel):
    """The number of steps of a job's recovery, and its predicted memory, disk space and time."""

    steps: int
    host_bytes: int
    device_bytes: int = 0
    scratch_bytes: int = 0
    seconds: float | None = None


class Estimate(ResponseModel):
    """The predicted memory and time of a job.

    Attributes:
        seconds: on a machine that stays as busy as it is.
        seconds_alone: once no other program uses the machine; None if it is not busy.
    """

    id: str
    model: Model
    fits: bool
    refusal: str | None = None
    queue: str | None = None
    memory: Memory
    seconds: Seconds | None = None
    seconds_alone: Seconds | None = None
    cost: LikelyCost | None = None
    basis: Basis | None = None
    recovery: Recovery | None = None
    artifact_bytes: int
    warnings: list[str] = []
    advice: list[str] = []
    identical_job_id: str | None = None


class ComparedJob(ResponseModel):
    """One job of a comparison; ``deltas`` are its metrics minus those of the first job."""

    id: str
    name: str | None = None
    status: str
    metrics: dict[str, Any] | None = None
    deltas: dict[str, float] = {}
    obstacles: list[str] = []


class Comparison(ResponseModel):
    """A comparison of jobs: the fields in which they differ, and the metrics of each job."""

    comparable: bool
    reasons: list[str] = []
    differences: dict[str, list[Any]] = {}
    jobs: list[ComparedJob]


class Point(ResponseModel):
    """One job of a sweep."""

    job_id: str
    varied: dict[str, Any] = {}
    status: str
    progress: float = 0.0
    verdict: str = "none"
    reduction: float | None = None
    sparsity: float | None = None
    removed: float | None = None
    perplexity: float | None = None
    perplexity_ratio: float | None = None
    on_front: bool = False


class Sweep(ResponseModel):
    """Many jobs submitted in one request; ``points`` is empty in a list of sweeps."""

    id: str
    name: str | None = None
    model: str | None = None
    total: int
    counts: dict[str, int] = {}
    is_final: bool = False
    points: list[Point] = []
    front: list[str] = []
    best: str | None = None


class SweepPreview(ResponseModel):
    """A valid sweep that was not created."""

    total: int
    points: list[dict[str, Any]] = []
    warnings: list[str] = []
