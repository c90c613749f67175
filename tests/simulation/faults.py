"""Faults that are planted into the service, one at a time: the simulator has to find each."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Select, false, select, true
from sqlalchemy.orm import Session

import db.events.job_rows
import db.scheduling.claims
import db.scheduling.crashes
import db.scheduling.fair_shares
import db.scheduling.leases
import db.scheduling.queues
import db.scheduling.recovery
import db.scheduling.worker_memory
import db.webhooks.fanout
import worker.control.relay
from db.core.access_errors import QuotaExceededError
from db.core.clock import now
from db.core.errors import LeaseLostError
from db.core.states import FINAL, HELD, JobState
from db.events.event_order import EventOrder
from db.events.job_rows import change_job, record_event
from db.events.transitions import LEASE, is_in, lease_fields
from db.events.use_sums import count_status
from db.files.file_store import FileStore
from db.files.sealed_folder import describe
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository
from db.scheduling.leases import LeaseRepository, ending, ends_from
from db.scheduling.recovery import RecoveryRepository
from db.tables.base import Document
from db.tables.jobs import Job, JobEvent
from db.tables.webhooks import Webhook
from db.webhooks.fanout import FanOut
from tests.simulation.client import Client
from tests.simulation.files import SimulatedStore

Plant = Callable[[pytest.MonkeyPatch], None]
FAULTS: dict[str, Plant] = {}
BUILD_ONCE = (
    *(db.scheduling.claims, db.scheduling.crashes, db.scheduling.queues),
    *(db.scheduling.fair_shares, db.scheduling.recovery),
)
"""Modules that keep the statements that they have built: a planted fault needs new ones."""


def planted(plant: Plant) -> Plant:
    """Add a function to the list of faults, by its name."""

    def plant_and_rebuild(patch: pytest.MonkeyPatch) -> None:
        plant(patch)
        for module in BUILD_ONCE:
            for name, function in list(vars(module).items()):
                if (build := getattr(function, "__wrapped__", None)) is not None:
                    patch.setattr(module, name, lru_cache(build))

    FAULTS[plant.__name__] = plant_and_rebuild
    return plant_and_rebuild


@planted
def no_fence(patch: pytest.MonkeyPatch) -> None:
    """A worker's writes need neither the lease nor the number of its attempt."""

    def renew(self: LeaseRepository, job_id: str, attempt: int, **values: Any) -> Job:
        fields = {**lease_fields(LEASE), **values}
        job = change_job(self._session, job_id, values=fields, versioned=bool(values))
        assert job is not None
        return job

    patch.setattr(LeaseRepository, "_renew", renew)
    patch.setattr(LeaseRepository, "_finish", _finish_any)


def _finish_any(
    self: LeaseRepository,
    job_id: str,
    attempt: int,
    wanted: JobState | None,
    data: Document | None = None,
    new: Document | None = None,
) -> Job:
    values = ending(wanted) | (new or {})
    job = change_job(self._session, job_id, is_in(*ends_from(wanted)), values=values)
    if job is None:
        raise LeaseLostError(job_id, attempt)
    record_event(self._session, job, "status", data)
    return job


@planted
def end_without_the_number_of_the_attempt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LeaseRepository, "_finish", _finish_any)


@planted
def no_outbox(patch: pytest.MonkeyPatch) -> None:
    """A message that was not sent when the job was queued is never sent."""
    patch.setattr(RecoveryRepository, "unpushed", lambda *_, **__: [])


@planted
def no_second_message(patch: pytest.MonkeyPatch) -> None:
    """A message that was sent, and then lost, is not sent again."""

    def unpushed(self: RecoveryRepository, limit: int = 100, queue: str | None = None) -> list[str]:
        query = select(Job.id).where(Job.status == JobState.queued, Job.pushed_at.is_(None))
        return list(self._session.scalars(query.where(Job.queue == queue)))

    patch.setattr(RecoveryRepository, "unpushed", unpushed)


@planted
def lease_not_renewed(patch: pytest.MonkeyPatch) -> None:
    def heartbeat(self: LeaseRepository, job_id: str, attempt: int) -> JobState:
        held = (Job.id == job_id, Job.attempt == attempt, Job.status.in_(HELD))
        job = self._session.scalar(select(Job).where(*held))
        if job is None:
            raise LeaseLostError(job_id, attempt)
        return job.status

    patch.setattr(LeaseRepository, "heartbeat", heartbeat)


@planted
def submitted_job_is_pushed_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    add = JobRepository.add

    def submit(self: Client) -> str | None:
        with self._world.sessions.begin() as session:
            job = add(JobRepository(session), self.new_job)
            self._world.set_plan(job.id, self._plan)
            self._world.broker.push(job.id)
        return job.id

    patch.setattr(Client, "_submit", submit)


@planted
def relay_pushes_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    def relay(sessions: Any, publish: Callable[[str, str], object], _: object) -> int:
        with sessions.begin() as session:
            ids = RecoveryRepository(session).unpushed(queue="gpu")
            for job_id in ids:
                publish(job_id, "gpu")
            RecoveryRepository(session).mark_pushed(ids)
        return len(ids)

    patch.setattr(worker.control.relay, "relay", relay)


@planted
def quota_is_checked_before_the_transaction(patch: pytest.MonkeyPatch) -> None:
    submit, check = Client._submit, QuotaRepository.check_jobs

    def submit_later(self: Client) -> str | None:
        try:
            with self._world.sessions() as session:
                check(QuotaRepository(session), self._key_id)
        except QuotaExceededError:
            return None
        return submit(self)

    patch.setattr(Client, "_submit", submit_later)
    patch.setattr(QuotaRepository, "check_jobs", lambda *_: None)


@planted
def event_number_from_outside_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """The numbers are counted in memory, so that one is missing after a rollback."""
    numbers: Counter[tuple[int, str]] = Counter()

    def record(session: Session, job: Job, kind: str, data: Document | None = None) -> None:
        schedule = (id(session.get_bind()), job.id)
        newest = session.scalar(select(JobEvent.seq).where(JobEvent.job_id == job.id).limit(1))
        numbers[schedule] = 1 if newest is None else numbers[schedule] + 1
        event = JobEvent(
            job_id=job.id,
            seq=numbers[schedule],
            kind=kind,
            status=job.status,
            phase=job.phase,
            attempt=job.attempt,
            data=data or {},
        )
        session.add(event)
        session.flush()

    for module in (db.scheduling.leases, db.scheduling.claims, db.scheduling.recovery):
        patch.setattr(module, "record_event", record)
    patch.setattr("db.jobs.repository.record_event", record)
    patch.setattr("db.jobs.commands.record_event", record)


@planted
def recovery_ignores_renewals(patch: pytest.MonkeyPatch) -> None:
    def lost(*states: JobState) -> ColumnElement[bool]:
        return Job.status.in_(states) & (Job.updated_at < now(-LEASE))

    patch.setattr(db.scheduling.recovery, "lost", lost)


@planted
def claim_of_a_held_job(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(db.scheduling.claims, "lost", lambda *states: Job.status.in_(states))


@planted
def clock_that_was_set_back_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(db.scheduling.crashes, "was_set_back", lambda _: false())


@planted
def files_are_published_after_the_commit(patch: pytest.MonkeyPatch) -> None:
    def publish(self: SimulatedStore, staged: Any, job_id: str, *_: Any) -> Any:
        return describe(staged)

    def keep_only(self: SimulatedStore, job_id: str, attempt: int) -> None:
        self._pause("publish files")
        FileStore.publish(self, self._staging.path(job_id, attempt), job_id)

    patch.setattr(SimulatedStore, "publish", publish)
    patch.setattr(SimulatedStore, "keep_only", keep_only)


@planted
def webhook_moves_on_before_its_deliveries(patch: pytest.MonkeyPatch) -> None:
    enqueue = FanOut.enqueue

    def fan_out(sessions: Any) -> int:
        created = 0
        with sessions() as session:
            lagging = FanOut(session).lagging()
        for webhook_id in lagging:
            with sessions.begin() as session:
                webhook = session.get_one(Webhook, webhook_id)
                position, last = webhook.position, EventOrder(session).last_position()
                webhook.position = last
            with sessions.begin() as session:
                session.get_one(Webhook, webhook_id).position = position
                session.flush()
                created += enqueue(FanOut(session), webhook_id)
        return created

    patch.setattr(db.webhooks.fanout, "fan_out", fan_out)


@planted
def memory_of_workers_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    for module in (db.scheduling.claims, db.scheduling.queues):
        patch.setattr(module, "has_memory_for_job", lambda _: true())


@planted
def draining_worker_claims(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(db.scheduling.claims, "is_draining", lambda _: false())


@planted
def large_job_is_before_those_behind_it(patch: pytest.MonkeyPatch) -> None:
    """A worker selects a job for which it has too little memory, and its claim is refused."""
    patch.setattr(db.scheduling.queues, "has_memory_for_job", lambda _: true())


@planted
def plan_waits_for_a_lost_worker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(db.scheduling.worker_memory, "is_alive", lambda _: true())


@planted
def plan_waits_for_memory_that_no_worker_has(patch: pytest.MonkeyPatch) -> None:
    worker = db.scheduling.worker_memory._Other
    patch.setattr(db.scheduling.worker_memory, "_enough", lambda: (worker.id.is_not(None),))


@planted
def newest_job_of_a_key_is_next(patch: pytest.MonkeyPatch) -> None:
    def newest(waiting: tuple[ColumnElement[bool], ...]) -> Select[str]:
        return select(Job.id).where(*waiting).order_by(Job.created_at.desc(), Job.id).limit(1)

    patch.setattr(db.scheduling.queues, "_oldest", newest)


@planted
def keys_take_no_turns(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(db.scheduling.claims, "record_claim", lambda *_: None)


@planted
def released_attempts_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    def count_ended(session: Session, job: Any) -> None:
        if job.status in FINAL:
            count_status(session, job)

    patch.setattr(db.events.job_rows, "count_status", count_ended)
