"""Responses about jobs, their files, datasets and workers."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})
UNSENT = frozenset({"waiting", "running"})
"""The states of outputs that are still to be sent."""


class ResponseModel(BaseModel):
    """Base class of all responses: immutable, with all fields that the service has sent.

    Those without an attribute here, for instance of a newer service, are kept as JSON values.
    """

    model_config = ConfigDict(frozen=True, extra="allow")


class Block(ResponseModel):
    """The decoder block that was finished last."""

    index: int
    total: int
    name: str


class Eta(ResponseModel):
    """The 50th and 90th percentiles of the predicted remaining time, in seconds."""

    p50: float
    p90: float
    untimed: list[str] = []


class Progress(ResponseModel):
    """The progress of a job."""

    fraction: float = 0.0
    block: Block | None = None
    eta_seconds: Eta | None = None


class FieldProblem(ResponseModel):
    """The problem with one field of a request."""

    pointer: str
    code: str
    detail: str


class Problem(ResponseModel):
    """A problem document (RFC 9457); programs should branch on ``code``."""

    type: str = "about:blank"
    title: str = "The service gave no reason"
    status: int = 500
    detail: str = ""
    code: str = "unknown"
    hint: str | None = None
    instance: str | None = None
    request_id: str | None = None
    retryable: bool = False
    errors: list[FieldProblem] = []


class OutputProgress(ResponseModel):
    """How much of a result a target has."""

    bytes_sent: int = 0
    bytes_total: int = 0
    files_sent: int = 0
    files_total: int = 0


class Output(ResponseModel):
    """A target that a job's result is sent to.

    Attributes:
        index: its place in the job's ``output``, from 0.
        state: ``waiting``, ``running``, ``succeeded``, ``failed``, ``cancelled`` or ``skipped``.
        url: the address of what was sent; None until the output has succeeded.
        error: why the last attempt failed, or why nothing was sent.
    """

    index: int
    target: dict[str, Any]
    state: str
    progress: OutputProgress = OutputProgress()
    attempts: int = 0
    next_attempt_at: datetime | None = None
    url: str | None = None
    error: Problem | None = None
    finished_at: datetime | None = None
    actions: list[str] = []


class Interval(ResponseModel):
    """A confidence interval of a metric."""

    low: float
    high: float
    confidence: float


class GateFailure(ResponseModel):
    """A violated bound of a quality gate.

    Attributes:
        metric: the name of the metric.
        bound: the kind of bound, ``max`` or ``min``.
        wanted: the value of the bound.
        got: the value of the metric; None if it was not measured.
        interval: the interval that lies beyond the bound; None if the value decided.
    """

    metric: str
    bound: str
    wanted: float
    got: float | None = None
    interval: Interval | None = None


class Lineage(ResponseModel):
    """The jobs whose results led to a model.

    Attributes:
        model: the model that the first of these jobs pruned.
        jobs: the ids of these jobs, the latest first.
    """

    model: str
    jobs: list[str]


class Cost(ResponseModel):
    """What a job has cost, as of its last change."""

    amount: float
    currency: str
    hourly_price: float | None = None


class Postponed(ResponseModel):
    """When and why a job is attempted again after a temporary failure.

    Attributes:
        until: from then on, it waits for a worker.
        attempt: the number of the next attempt, from 1, since the job last advanced.
        attempts: how many attempts there are at most.
        error: why the last attempt failed.
    """

    until: datetime
    attempt: int
    attempts: int
    error: Problem | None = None


class JobFields(ResponseModel):
    """The fields of a job."""

    id: str
    name: str | None = None
    labels: dict[str, Any] = {}
    parent_id: str | None = None
    lineage: Lineage | None = None
    queue: str = "gpu"
    queue_position: int | None = None
    priority: int = 0
    max_cost: float | None = None
    min_memory_gb: float | None = None
    cost: Cost | None = None
    created_by: str | None = None
    status: str
    phase: str | None = None
    progress: Progress = Progress()
    spec: dict[str, Any] = {}
    attempt: int = 0
    worker: str | None = None
    device: str | None = None
    warnings: list[str] = []
    advice: list[str] = []
    sweep_id: str | None = None
    deadline: datetime | None = None
    not_before: datetime | None = None
    postponed: Postponed | None = None
    actions: list[str] = []
    attempts: list[dict[str, Any]] = []
    phases: list[dict[str, Any]] = []
    outputs: list[Output] = []
    result: dict[str, Any] | None = None
    reduction: float | None = None
    accuracy: float | None = None
    speed: float | None = None
    seconds: float | None = None
    size_bytes: int | None = None
    pinned: bool = False
    gate: dict[str, Any] | None = None
    verdict: str = "none"
    gate_failures: list[GateFailure] = []
    error: Problem | None = None
    created_at: datetime
    updated_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    links: dict[str, str] = {}

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINAL

    @property
    def is_being_delivered(self) -> bool:
        """Whether the result is still to be sent to a target."""
        return any(output.state in UNSENT for output in self.outputs)


class Preview(ResponseModel):
    """A valid job that was not created, with all defaults filled in."""

    spec: dict[str, Any]
    name: str | None = None
    labels: dict[str, Any] = {}
    warnings: list[str] = []
    advice: list[str] = []
    identical_job_id: str | None = None


class Facets(ResponseModel):
    """Numbers of jobs by status, method and verdict."""

    status: dict[str, int] = {}
    method: dict[str, int] = {}
    verdict: dict[str, int] = {}


class Artifact(ResponseModel):
    """A file that a job produced.

    Attributes:
        deleted_at: when a retention rule deleted the file; None if it is stored.
        deleted_by: the name of that rule.
    """

    id: str
    name: str
    size_bytes: int
    sha256: str
    media_type: str = "application/octet-stream"
    checked_at: datetime | None = None
    damage: str | None = None
    deleted_at: datetime | None = None
    deleted_by: str | None = None


class FileLink(ResponseModel):
    """A link to a file, or to an archive of a job's files; it is valid until ``expires_at``."""

    url: str
    expires_at: datetime


class KnownModel(ResponseModel):
    """A model that the service knows without a request to the Hugging Face hub.

    Attributes:
        model: the value of a job's ``model`` field.
        kind: ``local`` if the model is in a folder that jobs may read; ``used`` if one of the
            newest jobs names it.
    """

    model: str
    kind: str


class Dataset(ResponseModel):
    """A calibration dataset; ``kind`` is ``builtin`` or ``uploaded``.

    Attributes:
        dataset: the value of a job's ``dataset`` field.
        description, joiner: set for built-in datasets only.
        id, size_bytes, sha256, media_type, created_at, created_by: set for uploaded ones only.
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


class Result(ResponseModel):
    """The metrics and files of a job that has succeeded."""

    job_id: str
    metrics: dict[str, Any] = {}
    warnings: list[str] = []
    artifacts: list[Artifact] = []


class Event(ResponseModel):
    """The record of one change of a job."""

    seq: int
    at: datetime
    kind: str
    status: str
    phase: str | None = None
    attempt: int = 0
    data: dict[str, Any] = {}


class LogLine(ResponseModel):
    """One line of an attempt's log; pass its ``id`` as ``after`` to read the lines after it."""

    id: str
    attempt: int
    at: datetime
    level: str
    logger: str
    message: str


class Worker(ResponseModel):
    """A worker; ``state`` is ``idle``, ``busy``, ``draining``, ``silent`` or ``lost``."""

    id: str
    name: str
    state: str
    queues: list[str] = []
    device: str | None = None
    memory_bytes: int | None = None
    extras: dict[str, str] | None = None
    job_id: str | None = None
    draining: bool = False
    heartbeat_at: datetime


class Queue(ResponseModel):
    """A queue of jobs for one class of devices."""

    name: str
    depth: int = 0
    oldest_age_seconds: float | None = None
    running: int = 0
    workers: int = 0
    devices: list[str] = []
