"""What the routes are given."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request

from api.broker import Queue
from api.examples import (
    ARTIFACT_ID,
    DELIVERY_ID,
    ESTIMATE_ID,
    JOB_ID,
    KEY_ID,
    SWEEP_ID,
    WEBHOOK_ID,
)
from api.feed import Feed
from api.looks import Looks
from api.meter import Metrics
from api.preflight import Preflight
from api.readiness import Readiness
from db.errors import (
    ApiKeyNotFoundError,
    ArtifactNotFoundError,
    DeliveryNotFoundError,
    EstimateNotFoundError,
    JobNotFoundError,
    SweepNotFoundError,
    WebhookNotFoundError,
)
from db.session import Sessions
from db.settings import Networks
from db.store import ArtifactStore


@dataclass(frozen=True)
class Service:
    """The parts that all requests share."""

    sessions: Sessions
    queue: Queue
    store: ArtifactStore
    preflight: Preflight
    feed: Feed
    metrics: Metrics
    known_queues: tuple[str, ...]
    looks: Looks
    readiness: Readiness
    webhook_networks: Networks


LONGEST_WAIT_S = 60.0


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


# Sessions are opened inside a route and never by a dependency: one that waits for a thread
# to go on while holding a connection can starve the threads that wait for connections.
ServiceDep = Annotated[Service, Depends(_service)]


def _job_id(job_id: Annotated[str, Path(examples=[JOB_ID])]) -> str:
    if not re.fullmatch(r"job_[0-9a-f]{32}", job_id):
        raise JobNotFoundError(job_id[:64])
    return job_id


def _artifact_id(artifact_id: Annotated[str, Path(examples=[ARTIFACT_ID])]) -> str:
    if not re.fullmatch(r"art_[0-9a-f]{32}", artifact_id):
        raise ArtifactNotFoundError(artifact_id[:64])
    return artifact_id


def _key_id(key_id: Annotated[str, Path(examples=[KEY_ID])]) -> str:
    if not re.fullmatch(r"key_[0-9a-f]{32}", key_id):
        raise ApiKeyNotFoundError(key_id[:64])
    return key_id


def _sweep_id(sweep_id: Annotated[str, Path(examples=[SWEEP_ID])]) -> str:
    if not re.fullmatch(r"swp_[0-9a-f]{32}", sweep_id):
        raise SweepNotFoundError(sweep_id[:64])
    return sweep_id


def _estimate_id(estimate_id: Annotated[str, Path(examples=[ESTIMATE_ID])]) -> str:
    if not re.fullmatch(r"est_[0-9a-f]{32}", estimate_id):
        raise EstimateNotFoundError(estimate_id[:64])
    return estimate_id


def _webhook_id(webhook_id: Annotated[str, Path(examples=[WEBHOOK_ID])]) -> str:
    if not re.fullmatch(r"whk_[0-9a-f]{32}", webhook_id):
        raise WebhookNotFoundError(webhook_id[:64])
    return webhook_id


def _delivery_id(delivery_id: Annotated[str, Path(examples=[DELIVERY_ID])]) -> str:
    if not re.fullmatch(r"msg_[0-9a-f]{32}", delivery_id):
        raise DeliveryNotFoundError(delivery_id[:64])
    return delivery_id


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]*$",
        description="Made up by the caller: the same request with the same key is done once.",
    ),
]
DryRun = Annotated[bool, Query(description="Check everything, accept nothing.")]


def preferred_wait_s(prefer: str | None, otherwise_s: float = 0) -> float:
    """Read how long the caller would wait; RFC 7240 has what cannot be read ignored."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\b", prefer or "", re.ASCII)
    return min(float(match[1]), LONGEST_WAIT_S) if match else otherwise_s


def _wait_s(
    prefer: Annotated[
        str | None,
        Header(description="`wait=N` lets the answer wait for news up to N seconds, 60 at most."),
    ] = None,
) -> float:
    return preferred_wait_s(prefer)


Wait = Annotated[float, Depends(_wait_s)]
JobId = Annotated[str, Depends(_job_id)]
ArtifactId = Annotated[str, Depends(_artifact_id)]
KeyId = Annotated[str, Depends(_key_id)]
SweepId = Annotated[str, Depends(_sweep_id)]
EstimateId = Annotated[str, Depends(_estimate_id)]
WebhookId = Annotated[str, Depends(_webhook_id)]
DeliveryId = Annotated[str, Depends(_delivery_id)]
