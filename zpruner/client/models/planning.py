"""Estimates, comparisons and sweeps as the service answers them."""

from typing import Any

from zpruner.client.models.jobs import Answer


class Model(Answer):
    """A model as the service found it."""

    name: str
    revision: str | None = None
    parameters: int
    blocks: int


class Memory(Answer):
    """The most that a job will hold."""

    host_bytes: int
    device_bytes: int = 0
    scratch_bytes: int = 0


class Seconds(Answer):
    """How long a job will run."""

    p50: float
    p90: float


class Estimate(Answer):
    """What a job would take."""

    id: str
    model: Model
    fits: bool
    refusal: str | None = None
    queue: str | None = None
    memory: Memory
    seconds: Seconds | None = None
    artifact_bytes: int
    warnings: list[str] = []
    hints: list[str] = []
    identical_job_id: str | None = None


class ComparedJob(Answer):
    """One of several jobs held against the first."""

    id: str
    name: str | None = None
    status: str
    metrics: dict[str, Any] | None = None
    deltas: dict[str, float] = {}


class Comparison(Answer):
    """In what jobs differ, and what came of it."""

    comparable: bool
    reasons: list[str] = []
    differences: dict[str, list[Any]] = {}
    jobs: list[ComparedJob]


class Point(Answer):
    """One job of a sweep."""

    job_id: str
    varied: dict[str, Any] = {}
    status: str
    progress: float = 0.0
    verdict: str = "none"
    sparsity: float | None = None
    perplexity: float | None = None
    perplexity_ratio: float | None = None
    on_front: bool = False


class Sweep(Answer):
    """Many jobs by one request; in a list it comes without its points."""

    id: str
    name: str | None = None
    total: int
    counts: dict[str, int] = {}
    is_final: bool = False
    points: list[Point] = []
    front: list[str] = []


class SweepPreview(Answer):
    """What the service would accept as a sweep."""

    total: int
    points: list[dict[str, Any]] = []
    warnings: list[str] = []
