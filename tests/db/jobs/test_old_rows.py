"""What goes because it was kept long enough, and what stays, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.access.audit import AuditRepository
from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.events.event_order import EventOrder, order_events
from db.events.history import attempts
from db.events.job_events import EventRepository
from db.jobs import old_rows
from db.jobs.commands import JobCommands
from db.jobs.old_rows import OldRowRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.access import AuditEntry
from db.tables.jobs import Job, JobEvent
from db.tables.webhooks import Delivery
from db.webhooks.fanout import fan_out
from tests.factories import make_job, make_webhook
from worker.control import cleanup

DAY = 86_400.0
LONG_AGO = timedelta(days=2)


def work(sessions: Sessions, *, ends: bool = True) -> str:
    """Create a job with events, which ended long ago or is still running."""
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
        for index in range(3):
            LeaseRepository(session).report_progress(
                job_id, 1, phase=Phase.pruning, block=(index, 3, f"layers.{index}")
            )
        if ends:
            LeaseRepository(session).succeed(job_id, 1, {}, [])
            past = now(-LONG_AGO)
            session.execute(update(Job).where(Job.id == job_id).values(finished_at=past))
    return job_id


def forget(sessions: Sessions, days: float = 1) -> int:
    return cleanup.delete_old_events(sessions, events_s=days * DAY, audit_s=days * DAY)


def kinds(sessions: Sessions, job_id: str) -> list[str]:
    with sessions() as session:
        return [one.kind for one in EventRepository(session).events(job_id)]


def test_details_of_old_jobs_are_deleted_and_their_attempts_stay(sessions: Sessions) -> None:
    job_id, other = work(sessions), work(sessions)
    order_events(sessions)
    assert forget(sessions, 3) == 0
    assert forget(sessions) == 8
    assert forget(sessions) == 0
    assert kinds(sessions, job_id) == kinds(sessions, other) == ["status"] * 3
    with sessions() as session:
        events = EventRepository(session).events(job_id)
        assert [one.seq for one in events] == [1, 2, 7]
        (attempt,) = attempts(events)
        last = EventOrder(session).last_position()
        assert EventOrder(session).pruned_position() == last - 1
    assert attempt.outcome is JobState.succeeded


def test_jobs_whose_details_are_gone_are_not_searched_again(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sorted(work(sessions) for _ in range(3))
    order_events(sessions)
    monkeypatch.setattr(old_rows, "JOB_BATCH_SIZE", 2)
    with sessions.begin() as session:
        rows = OldRowRepository(session)
        assert rows.jobs_with_details(timedelta(0)) == ids[:2]
        assert rows.jobs_with_details(timedelta(0), ids[1]) == ids[2:]
    assert forget(sessions) == 12


@pytest.mark.parametrize("status", [one for one in JobState if not one.is_final])
def test_an_unfinished_job_keeps_all_events(status: JobState, sessions: Sessions) -> None:
    job_id = work(sessions, ends=False)
    with sessions.begin() as session:
        values = {"status": status, "finished_at": now(-LONG_AGO), "created_at": now(-LONG_AGO)}
        session.execute(update(Job).where(Job.id == job_id).values(**values))
        session.execute(update(JobEvent).values(at=now(-LONG_AGO)))
    order_events(sessions)
    assert forget(sessions) == 0


def test_zero_keeps_for_ever(sessions: Sessions) -> None:
    work(sessions)
    order_events(sessions)
    assert forget(sessions, 0) == 0


def test_events_without_a_position_are_not_deleted(sessions: Sessions) -> None:
    work(sessions)
    assert forget(sessions) == 0
    order_events(sessions)
    assert forget(sessions) == 4


def test_a_lagging_webhook_still_receives_all_its_events(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    job_id = work(sessions)
    order_events(sessions)
    assert forget(sessions) == 4
    assert fan_out(sessions) == 1
    with sessions() as session:
        (delivery,) = session.scalars(select(Delivery).where(Delivery.webhook_id == webhook.id))
    assert (delivery.job_id, delivery.type) == (job_id, "job.succeeded")


def test_a_retry_continues_with_unused_event_numbers(sessions: Sessions) -> None:
    job_id = work(sessions)
    order_events(sessions)
    forget(sessions)
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(status=JobState.failed))
        JobCommands(session).retry(job_id)
    with sessions() as session:
        assert EventRepository(session).events(job_id)[-1].seq == 8


def test_each_deletion_is_limited_and_the_next_one_continues(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.jobs.old_rows.JOB_BATCH_SIZE", 2)
    monkeypatch.setattr("worker.control.cleanup.MAX_BATCHES", 2)
    for _ in range(5):
        work(sessions)
    order_events(sessions)
    assert [forget(sessions) for _ in range(3)] == [16, 4, 0]


def test_old_audit_entries_are_deleted_in_batches(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.jobs.old_rows.ENTRY_BATCH_SIZE", 2)
    fields = {"who": "me", "action": "POST /v1/jobs", "target": "/v1/jobs", "status": 201}
    fields |= {"request_id": "req_1", "address": "127.0.0.1"}
    with sessions.begin() as session:
        audit = AuditRepository(session)
        for _ in range(3):
            audit.add(**fields)
        session.execute(update(AuditEntry).values(created_at=now(-LONG_AGO)))
        audit.add(**fields)
    with sessions.begin() as session:
        assert OldRowRepository(session).delete_audit_entries(timedelta(days=1)) == 2
    assert forget(sessions) == 1
    with sessions() as session:
        assert AuditRepository(session).count() == 1
