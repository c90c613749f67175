"""Figures about everything, and what they cost."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.totals import DeliveryCount, read_totals
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.tables.artifacts import Artifact
from db.tables.webhooks import Delivery, DeliveryStatus
from db.webhooks.repository import WebhookRepository
from tests.db.jobs.plans import WHOLE_TABLE, plans
from tests.db.scheduling.workers import appear
from tests.factories import expire_lease, make_delivery, make_job, make_spec, make_webhook


def test_the_totals_count_jobs_queues_and_artifacts(sessions: Sessions) -> None:
    make_job(sessions)
    running = make_job(sessions, make_spec(method="wanda"))
    make_job(sessions, status=JobState.failed, attempt=3, crashes=2)
    with sessions.begin() as session:
        ClaimRepository(session).claim(running.id, "a/1")
        for index, seconds in enumerate((1.5, 2.5)):
            LeaseRepository(session).report_block(
                running.id, 1, index, f"layers.{index}", {"prune_seconds": seconds}
            )
    appear(sessions, "a")

    totals = read_totals(sessions)

    counted = {(one.status, one.method): one for one in totals.kinds}
    assert counted[JobState.queued, "zpruner"].jobs == 1
    failed = counted[JobState.failed, "zpruner"]
    assert (failed.jobs, failed.attempts, failed.crashes) == (1, 3, 2)
    (pace,) = totals.paces
    assert (pace.method, pace.jobs, pace.blocks, pace.seconds) == ("wanda", 1, 2, 4.0)
    assert (totals.queues["gpu"].queued, totals.queues["gpu"].running) == (1, 1)
    assert [one.worker.name for one in totals.workers] == ["a"]
    assert (totals.expired_leases, totals.artifacts, totals.artifact_bytes) == (0, 0, 0)


def test_the_totals_count_expired_leases_and_large_files(sessions: Sessions) -> None:
    job = make_job(sessions, status=JobState.running, attempt=1)
    expire_lease(sessions, job.id)
    with sessions.begin() as session:
        for name, size in (("a", 3 << 40), ("b", 1)):
            fields = {"attempt": 1, "sha256": "0" * 64, "media_type": "text/plain"}
            session.add(Artifact(job_id=job.id, name=name, size_bytes=size, **fields))
    totals = read_totals(sessions)
    assert (totals.expired_leases, totals.artifacts) == (1, 2)
    assert totals.artifact_bytes == (3 << 40) + 1


def test_the_totals_count_pending_and_failed_deliveries(sessions: Sessions) -> None:
    assert read_totals(sessions).outgoing == DeliveryCount(0, 0, 0.0)
    webhook, disabled = make_webhook(sessions), make_webhook(sessions)
    for _ in range(3):
        make_delivery(sessions, webhook)
    late, failed = make_delivery(sessions, webhook), make_delivery(sessions, webhook)
    waits = make_delivery(sessions, disabled)
    ended = {"status": DeliveryStatus.failed, "next_attempt_at": None, "finished_at": now()}
    with sessions.begin() as session:
        WebhookRepository(session).disable(disabled.id)
        for one, values in (
            (late, {"next_attempt_at": now(-timedelta(minutes=5))}),
            (waits, {"next_attempt_at": now(-timedelta(days=5))}),
            (failed, ended),
        ):
            session.execute(update(Delivery).where(Delivery.id == one.id).values(**values))

    outgoing = read_totals(sessions).outgoing

    assert (outgoing.pending, outgoing.failed) == (5, 1)
    assert outgoing.overdue_s == pytest.approx(300, abs=30)


def test_no_total_scans_the_whole_table_of_jobs(many: Sessions) -> None:
    with plans(many) as found:
        read_totals(many)
    assert len(found) <= 8
    assert [plan for plan in found if WHOLE_TABLE.search(plan)] == []


def test_the_most_urgent_job_is_found_without_sorting_all(many: Sessions) -> None:
    with many() as session, plans(many) as found:
        QueueRepository(session).next_job(["gpu"])
    assert "ix_jobs_urgency" in found[0]
