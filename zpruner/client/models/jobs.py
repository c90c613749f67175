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


class Eta(Answer):
    """How many seconds are left: half of such jobs take less than ``p50``, nine in ten ``p90``."""

    p50: float
    p90: float


class Progress(Answer):
    """How far a job is."""

    fraction: float = 0.0
    block: Block | None = None
    eta_seconds: Eta | None = None


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


class JobFields(Answer):
    """One request to prune one model."""

    id: str
    name: str | None = None
    labels: dict[str, Any] = {}
    parent_id: str | None = None
    queue: str = "gpu"
    queue_position: int | None = None
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
    not_before: datetime | None = None
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


class Artifact(Answer):
    """One file a job made."""

    id: str
    name: str
    size_bytes: int
    sha256: str
    media_type: str = "application/octet-stream"
    checked_at: datetime | None = None
    damage: str | None = None


class FileLink(Answer):
    """A link that opens one file without a key, until it expires."""

    url: str
    expires_at: datetime


class Dataset(Answer):
    """What a job can calibrate on; ``kind`` is ``builtin`` or ``uploaded``.

    Attributes:
        dataset: what a job says to use it.
        description, joiner: of one that is built in.
        id, size_bytes, sha256, media_type, created_at, created_by: of an uploaded one.
    """

    kind: str
    dataset: str
    name: str | None = None
    description: str | None = None
    joiner: str | None = None
    id: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    media_type: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None


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
