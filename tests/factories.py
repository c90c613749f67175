"""Factories of test objects; every field has a default and can be overridden."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from db.access.keys import KeyRepository, Quotas
from db.core.clock import now
from db.core.problem import Problem
from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_rows import change_job, get_job, record_event
from db.events.transitions import LEASE, entering, leading_to, lease_fields
from db.jobs.repository import JobRepository, NewJob
from db.spec.prune_spec import PruneSpec
from db.tables.access import DEFAULT_SCOPES, AccessScope, ApiKey
from db.tables.jobs import Job, Worker
from db.tables.webhooks import Delivery, Webhook
from db.webhooks.deliveries import DeliveryRepository
from db.webhooks.event_types import FINAL_EVENTS, EventType
from db.webhooks.repository import WebhookRepository


def make_spec(**overrides: Any) -> PruneSpec:
    fields = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
    return PruneSpec.model_validate(fields | overrides)


def make_job(
    sessions: Sessions, spec: PruneSpec | None = None, name: str | None = None, **overrides: Any
) -> Job:
    """Insert a job; the overrides are fields of its row, in any state."""
    with sessions.begin() as session:
        job = JobRepository(session).add(NewJob(spec or make_spec(), name=name))
        for field, value in overrides.items():
            setattr(job, field, value)
    return job


def make_worker(name: str, **overrides: Any) -> Worker:
    """Make a worker's row, for ``WorkerRepository`` to write down."""
    fields = {
        "id": f"wrk_{name}",
        "name": name,
        "hostname": name,
        "pid": 7,
        "queues": ["gpu"],
        "version": "1",
        "draining": False,
    }
    return Worker(**fields | overrides)


def move(session: Session, job_id: str, *states: JobState) -> Job:
    """Move a job through several states, as the state table allows."""
    for state in states:
        allowed = Job.status.in_(leading_to(state))
        lease = lease_fields(LEASE) if state is JobState.running else {}
        job = change_job(session, job_id, allowed, values=entering(state) | lease)
        assert job is not None
        record_event(session, job, "status")
    return get_job(session, job_id)


def make_problem(**overrides: Any) -> Problem:
    fields = {
        "type": "/problems/made_up",
        "title": "Made up",
        "status": 500,
        "detail": "it went wrong",
        "code": "made_up",
    }
    return Problem.model_validate(fields | overrides)


def expire_lease(sessions: Sessions, job_id: str) -> None:
    """Set the end of a job's lease to a moment in the past."""
    with sessions.begin() as session:
        past = now(-timedelta(seconds=1))
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=past))


def make_key(
    sessions: Sessions,
    *scopes: AccessScope,
    name: str = "made up",
    quotas: Quotas = Quotas(),  # noqa: B008 - frozen
    **overrides: Any,
) -> tuple[ApiKey, str]:
    """Insert a key and return it with its token; the overrides are fields of its row."""
    with sessions.begin() as session:
        key, token = KeyRepository(session).create(name, scopes or DEFAULT_SCOPES, quotas=quotas)
        for field, value in overrides.items():
            setattr(key, field, value)
    return key, token.text


def make_webhook(sessions: Sessions, *events: EventType, **overrides: Any) -> Webhook:
    """Insert a webhook; the overrides are fields of its row."""
    with sessions.begin() as session:
        webhook = WebhookRepository(session).create(
            "https://hooks.example/zpruner", events=events or FINAL_EVENTS
        )
        for field, value in overrides.items():
            setattr(webhook, field, value)
    return webhook


def make_delivery(sessions: Sessions, webhook: Webhook) -> Delivery:
    """Insert a delivery that is due: a test message."""
    with sessions.begin() as session:
        return DeliveryRepository(session).add_test(webhook.id)
