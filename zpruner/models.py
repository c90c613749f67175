"""What the service answers, typed. Fields this version does not know are ignored."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


class Answer(BaseModel):
    """Base of every answer: read-only, and tolerant of newer services."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Block(Answer):
    """The decoder block finished last."""

    index: int
    total: int
    name: str


class Progress(Answer):
    """How far a job is."""

    fraction: float = 0.0
    block: Block | None = None
    eta_seconds: float | None = None


class FieldProblem(Answer):
    """One field that was refused."""

    pointer: str
    code: str
    detail: str


class Problem(Answer):
    """What went wrong (RFC 9457); ``code`` is what programs switch on."""

    title: str = "The service gave no reason"
    status: int = 500
    detail: str = ""
    code: str = "unknown"
    hint: str | None = None
    request_id: str | None = None
    retryable: bool = False
    errors: list[FieldProblem] = []


class GateFailure(Answer):
    """A bound of a job's gate that was not kept."""

    metric: str
    bound: str
    wanted: float
    got: float | None = None


class Job(Answer):
    """One request to prune one model."""

    id: str
    name: str | None = None
    labels: dict[str, Any] = {}
    parent_id: str | None = None
    queue: str = "gpu"
    priority: int = 0
    created_by: str | None = None
    status: str
    phase: str | None = None
    progress: Progress = Progress()
    spec: dict[str, Any] = {}
    attempt: int = 0
    worker: str | None = None
    warnings: list[str] = []
    sweep_id: str | None = None
    deadline: datetime | None = None
    actions: list[str] = []
    attempts: list[dict[str, Any]] = []
    phases: list[dict[str, Any]] = []
    result: dict[str, Any] | None = None
    verdict: str = "none"
    gate_failures: list[GateFailure] = []
    error: Problem | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINAL


class Preview(Answer):
    """What the service would accept, with every default filled in."""

    spec: dict[str, Any]
    name: str | None = None
    labels: dict[str, Any] = {}
    warnings: list[str] = []
    identical_job_id: str | None = None


class Facets(Answer):
    """How many jobs there are of each kind."""

    status: dict[str, int] = {}
    method: dict[str, int] = {}


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


class Artifact(Answer):
    """One file a job made."""

    id: str
    name: str
    size_bytes: int
    sha256: str
    media_type: str = "application/octet-stream"


class Result(Answer):
    """What a job that succeeded has measured and made."""

    job_id: str
    metrics: dict[str, Any] = {}
    artifacts: list[Artifact] = []


class Event(Answer):
    """One thing that happened to a job."""

    seq: int
    at: datetime
    kind: str
    status: str
    phase: str | None = None
    attempt: int = 0
    data: dict[str, Any] = {}


class LogLine(Answer):
    """One line that an attempt logged; ``id`` says where to go on."""

    id: str
    attempt: int
    at: datetime
    level: str
    logger: str
    message: str


class Worker(Answer):
    """One worker; ``state`` is ``idle``, ``busy``, ``draining`` or ``lost``."""

    id: str
    name: str
    state: str
    queues: list[str] = []
    device: str | None = None
    memory_bytes: int | None = None
    job_id: str | None = None
    draining: bool = False
    heartbeat_at: datetime


class Queue(Answer):
    """One queue of jobs that wait for a class of devices."""

    name: str
    depth: int = 0
    oldest_age_seconds: float | None = None
    running: int = 0
    workers: int = 0
    devices: list[str] = []


class Quotas(Answer):
    """How much a key may have; None: no bound."""

    jobs_in_flight: int | None = None
    gpu_hours: float | None = None
    artifact_bytes: int | None = None


class Key(Answer):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[str] = []
    quotas: Quotas = Quotas()
    created_at: datetime
    created_by: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    former_until: datetime | None = None
    last_used_at: datetime | None = None


class NewKey(Key):
    """A key with its secret in ``key``, which the service shows this once."""

    key: str


class Share(Answer):
    """How much of a quota is used."""

    used: float
    allowed: float | None = None


class Me(Answer):
    """Who this client is to the service; ``key`` is None where it needs none."""

    name: str
    scopes: list[str] = []
    key: Key | None = None
    quotas: dict[str, Share] | None = None
