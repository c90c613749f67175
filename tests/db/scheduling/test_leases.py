from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import LeaseLostError
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.events.job_events import EventRepository
from db.events.job_rows import JobRow
from db.files.artifacts import ArtifactRepository
from db.files.sealed_folder import NewArtifact
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.tables.base import Document
from db.tables.jobs import Job
from tests.factories import expire_lease, make_job, make_problem

FILE = NewArtifact("model/config.json", 2, "0" * 64, "application/json")


def claimed(sessions: Sessions, **overrides: Any) -> JobRow:
    job = make_job(sessions, **overrides)
    with sessions.begin() as session:
        taken = ClaimRepository(session).claim(job.id, "worker-1")
        assert taken is not None
    return taken


def test_a_claim_takes_a_queued_job_for_a_minute(sessions: Sessions) -> None:
    job = claimed(sessions)
    assert (job.status, job.attempt, job.crashes) == (JobState.running, 1, 0)
    assert job.worker == "worker-1"
    assert job.lease_until is not None
    assert job.started_at is not None
    assert abs(job.lease_until - job.started_at - timedelta(seconds=60)) < timedelta(seconds=1)


@pytest.mark.parametrize("status", [state for state in JobState if state is not JobState.queued])
def test_only_a_queued_job_can_be_claimed(status: JobState, sessions: Sessions) -> None:
    job = make_job(sessions, status=status)
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "worker-1") is None


def test_a_warning_replaces_an_earlier_one_with_the_same_beginning(sessions: Sessions) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        leases = LeaseRepository(session)
        for text in ("busy: 1", "other", "busy: 2"):
            leases.report_warning(job.id, 1, text, "busy: ")
        assert JobRepository(session).get(job.id).warnings == ["other", "busy: 2"]
        with pytest.raises(LeaseLostError):
            leases.report_warning(job.id, 2, "busy: 3", "busy: ")


def test_a_duplicate_message_finds_nothing_to_claim(sessions: Sessions) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "worker-2") is None
        assert JobRepository(session).get(job.id).worker == "worker-1"


def test_a_job_whose_lease_expired_can_be_claimed_again(sessions: Sessions) -> None:
    job = claimed(sessions)
    expire_lease(sessions, job.id)
    with sessions.begin() as session:
        taken = ClaimRepository(session).claim(job.id, "worker-2")
    assert taken is not None
    assert (taken.attempt, taken.crashes, taken.worker) == (2, 1, "worker-2")
    assert taken.started_at == job.started_at


def test_a_third_crash_leaves_nothing_to_claim(sessions: Sessions) -> None:
    job = make_job(sessions, status=JobState.running, attempt=3, crashes=2, strikes=2)
    expire_lease(sessions, job.id)
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "worker-1") is None


def test_a_heartbeat_renews_the_lease_and_reports_a_cancel(sessions: Sessions) -> None:
    job = claimed(sessions)
    expire_lease(sessions, job.id)
    with sessions.begin() as session:
        assert LeaseRepository(session).heartbeat(job.id, 1) is JobState.running
        renewed = JobRepository(session).get(job.id)
        assert renewed.lease_until is not None
        assert renewed.lease_until > renewed.updated_at
        JobCommands(session).cancel(job.id)
        assert LeaseRepository(session).heartbeat(job.id, 1) is JobState.cancelling


def test_progress_is_stored_and_its_phases_and_blocks_become_events(sessions: Sessions) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        LeaseRepository(session).report_progress(job.id, 1, phase=Phase.pruning)
        LeaseRepository(session).report_progress(
            job.id, 1, phase=Phase.pruning, fraction=0.25, block=(0, 2, "layers.0")
        )
        LeaseRepository(session).report_progress(job.id, 1, fraction=0.5)
        read = JobRepository(session).get(job.id)
        events = [
            (one.kind, one.phase, one.data)
            for one in EventRepository(session).events(job.id, after=2)
        ]
    assert (read.phase, read.progress) == (Phase.pruning, 0.5)
    assert (read.block_index, read.block_total, read.block_name) == (0, 2, "layers.0")
    block = {"index": 0, "total": 2, "name": "layers.0"}
    assert events == [
        ("phase", Phase.pruning, {}),
        ("progress", Phase.pruning, {"fraction": 0.25, "block": block}),
    ]


def test_a_step_of_a_recovery_becomes_an_event_with_its_losses(sessions: Sessions) -> None:
    job = claimed(sessions)
    step = {"stage": "training", "step": 3, "steps": 9, "loss": 2.5, "held_out_loss": None}
    with sessions.begin() as session:
        leases = LeaseRepository(session)
        leases.report_progress(job.id, 1, phase=Phase.pruning, block=(1, 2, "layers.1"))
        leases.report_progress(job.id, 1, phase=Phase.recovering, fraction=0.75, recovery=step)
        *_, event = EventRepository(session).events(job.id)
    assert (event.kind, event.phase) == ("progress", Phase.recovering)
    block = {"index": 1, "total": 2, "name": "layers.1"}
    assert event.data == {"fraction": 0.75, "block": block, "recovery": step}


def gradual(number: int, result: Document | None = None) -> Document:
    return {"number": number, "total": 4, "result": result}


def test_a_step_of_a_gradual_job_becomes_an_event_with_its_result(sessions: Sessions) -> None:
    job, result = claimed(sessions), {"step": 1, "sparsity": 0.25}
    with sessions.begin() as session:
        leases = LeaseRepository(session)
        leases.report_progress(job.id, 1, phase=Phase.pruning, step=gradual(1))
        leases.report_progress(job.id, 1, block=(1, 2, "layers.1"), step=gradual(1))
        leases.report_progress(job.id, 1, phase=Phase.pruning, step=gradual(1, result))
        *_, finished, ended = EventRepository(session).events(job.id)
    assert [one.kind for one in (finished, ended)] == ["progress", "progress"]
    assert finished.data["step"] == gradual(1)
    assert ended.data["step"] == gradual(1, result)


BLOCK: Document = {"block": (1, 3, "layers.1")}
TRAINED: Document = {"recovery": {"stage": "training", "step": 2}}


@pytest.mark.parametrize(
    ("done", "now_done", "is_further"),
    [
        (BLOCK | {"step": gradual(2)}, BLOCK | {"step": gradual(2)}, False),
        (BLOCK | {"step": gradual(2)}, {"block": (2, 3, "l"), "step": gradual(2)}, True),
        (BLOCK | {"step": gradual(2)}, {"block": (0, 3, "l"), "step": gradual(3)}, True),
        (BLOCK | {"step": gradual(2)}, {"block": (2, 3, "l"), "step": gradual(1)}, False),
        (BLOCK | {"step": gradual(2)}, TRAINED | {"step": gradual(2)}, True),
        (TRAINED | {"step": gradual(2)}, {"block": (2, 3, "l"), "step": gradual(2)}, False),
        (TRAINED | {"step": gradual(2)}, {"step": gradual(2, {"step": 2})}, True),
        (BLOCK | {"step": gradual(2)}, {"step": gradual(3)}, False),
        (
            BLOCK | {"step": gradual(2)},
            {"recovery": {"stage": "evaluating", "step": 1}, "step": gradual(3)},
            False,
        ),
    ],
)
def test_only_a_further_place_in_the_steps_clears_a_gradual_jobs_strikes(
    sessions: Sessions, done: dict[str, Any], now_done: dict[str, Any], is_further: bool
) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        LeaseRepository(session).report_progress(job.id, 1, **done)
        LeaseRepository(session).release(job.id, 1)
        ClaimRepository(session).claim(job.id, "worker-2")
        session.execute(update(Job).where(Job.id == job.id).values(strikes=2))
        LeaseRepository(session).report_progress(job.id, 2, **now_done)
        strikes = JobRepository(session).get(job.id).strikes
    assert (strikes == 0) is is_further


@pytest.mark.parametrize(
    ("done", "stage", "step", "is_further"),
    [
        (("teacher", 4), "teacher", 4, False),
        (("teacher", 4), "teacher", 5, True),
        (("teacher", 4), "training", 1, True),
        (("training", 3), "teacher", 9, False),
        (("training", 3), "training", 3, False),
        (("training", 3), "training", 4, True),
        (("training", 3), "evaluating", 9, False),
    ],
)
def test_only_a_further_step_of_a_recovery_clears_a_jobs_strikes(
    sessions: Sessions, done: tuple[str, int], stage: str, step: int, is_further: bool
) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        for place in (("teacher", 1), done, ("evaluating", 9)):
            recovery = {"stage": place[0], "step": place[1], "steps": 9}
            LeaseRepository(session).report_progress(
                job.id, 1, phase=Phase.recovering, recovery=recovery
            )
        LeaseRepository(session).release(job.id, 1)
        ClaimRepository(session).claim(job.id, "worker-2")
        session.execute(update(Job).where(Job.id == job.id).values(strikes=2))
        recovery = {"stage": stage, "step": step, "steps": 9}
        LeaseRepository(session).report_progress(
            job.id, 2, phase=Phase.recovering, recovery=recovery
        )
        strikes = JobRepository(session).get(job.id).strikes
    assert (strikes == 0) is is_further


def test_a_block_reported_twice_is_kept_once_and_the_latest_attempt_counts(
    sessions: Sessions,
) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        LeaseRepository(session).report_block(job.id, 1, 1, "layers.1", {"sparsity": 0.4})
        LeaseRepository(session).report_block(job.id, 1, 0, "layers.0", {"sparsity": 0.4})
        LeaseRepository(session).report_block(job.id, 1, 0, "layers.0", {"sparsity": 0.5})
        LeaseRepository(session).release(job.id, 1)
        ClaimRepository(session).claim(job.id, "worker-2")
        LeaseRepository(session).report_block(job.id, 2, 0, "layers.0", {"sparsity": 0.6})
        read = [
            (one.attempt, one.index, one.data)
            for one in EventRepository(session).block_reports(job.id)
        ]
    assert read == [(2, 0, {"sparsity": 0.6}), (1, 1, {"sparsity": 0.4})]


def test_a_success_stores_metrics_and_files(sessions: Sessions) -> None:
    job = claimed(sessions, warnings=["of the submission"])
    with sessions.begin() as session:
        leases = LeaseRepository(session)
        warnings = ["of the submission", "of the result"]
        leases.succeed(job.id, 1, {"sparsity": 0.5}, [FILE], warnings)
    with sessions() as session:
        read = JobRepository(session).get(job.id)
        assert read.warnings == ["of the submission", "of the result"]
        (file,) = ArtifactRepository(session).of_job(job.id)
        assert ArtifactRepository(session).get(file.id) is file
    assert (read.status, read.result, read.progress) == (JobState.succeeded, {"sparsity": 0.5}, 1)
    assert read.finished_at is not None
    assert read.lease_until is None
    assert (file.name, file.size_bytes, file.attempt) == ("model/config.json", 2, 1)


def test_a_success_stores_what_lists_are_sorted_by(sessions: Sessions) -> None:
    job = claimed(sessions)
    metrics = {"pruned_perplexity": 12.5, "perplexity_ratio": 1.25}
    with sessions.begin() as session:
        LeaseRepository(session).succeed(job.id, 1, metrics, [FILE, replace(FILE, name="other")])
    with sessions() as session:
        read = JobRepository(session).get(job.id)
    assert (read.perplexity, read.perplexity_ratio, read.size_bytes) == (12.5, 1.25, 4)
    assert read.started_at is not None
    assert read.finished_at is not None
    assert read.seconds == (read.finished_at - read.started_at).total_seconds()


def test_a_failure_stores_the_problem(sessions: Sessions) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        failed = LeaseRepository(session).fail(job.id, 1, make_problem())
        assert failed.status is JobState.failed
        assert failed.error is not None
        assert failed.error["code"] == "made_up"
        assert EventRepository(session).events(job.id)[-1].data["error"]["code"] == "made_up"


def test_a_failure_while_cancelling_ends_the_job_as_cancelled(sessions: Sessions) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        JobCommands(session).cancel(job.id)
        assert LeaseRepository(session).fail(job.id, 1, make_problem()).status is JobState.cancelled


def test_a_job_cancelled_before_its_end_does_not_succeed(sessions: Sessions) -> None:
    job = claimed(sessions)
    with sessions.begin() as session:
        JobCommands(session).cancel(job.id)
        with pytest.raises(LeaseLostError):
            LeaseRepository(session).succeed(job.id, 1, {}, [FILE])
        assert LeaseRepository(session).finish_cancelled(job.id, 1).status is JobState.cancelled
        assert ArtifactRepository(session).of_job(job.id) == []


def test_a_job_without_a_requested_cancel_cannot_finish_as_cancelled(sessions: Sessions) -> None:
    job = claimed(sessions)
    with sessions.begin() as session, pytest.raises(LeaseLostError):
        LeaseRepository(session).finish_cancelled(job.id, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (JobState.running, JobState.queued),
        (JobState.pausing, JobState.paused),
        (JobState.cancelling, JobState.cancelled),
    ],
)
def test_a_release_is_not_a_crash(before: JobState, after: JobState, sessions: Sessions) -> None:
    job = make_job(sessions, status=before, attempt=1, worker="worker-1", progress=0.5)
    with sessions.begin() as session:
        leases = LeaseRepository(session)
        leases.heartbeat(job.id, 1)
        read = leases.release(job.id, 1)
        assert (read.status, read.crashes, read.attempt) == (after, 0, 1)
        assert (read.lease_until, read.pushed_at, read.worker) == (None, None, None)
        assert (read.finished_at is not None) == after.is_final


WRITES: list[Callable[[LeaseRepository, str], Any]] = [
    lambda leases, job_id: leases.heartbeat(job_id, 1),
    lambda leases, job_id: leases.report_progress(job_id, 1, phase=Phase.pruning, fraction=0.9),
    lambda leases, job_id: leases.report_block(job_id, 1, 0, "layers.0", {}),
    lambda leases, job_id: leases.succeed(job_id, 1, {}, [FILE]),
    lambda leases, job_id: leases.fail(job_id, 1, make_problem()),
    lambda leases, job_id: leases.finish_cancelled(job_id, 1),
    lambda leases, job_id: leases.release(job_id, 1),
]


def test_the_writes_of_a_replaced_attempt_are_rejected(sessions: Sessions) -> None:
    job = claimed(sessions)
    expire_lease(sessions, job.id)
    with sessions.begin() as session:
        claimed_again = ClaimRepository(session).claim(job.id, "worker-2")
        assert claimed_again is not None
        version = claimed_again.version
        for write in WRITES:
            with pytest.raises(LeaseLostError):
                write(LeaseRepository(session), job.id)
        assert JobRepository(session).get(job.id).version == version
        assert ArtifactRepository(session).of_job(job.id) == []
        assert EventRepository(session).block_reports(job.id) == []


@pytest.mark.parametrize("status", [JobState.queued, JobState.succeeded, JobState.cancelled])
def test_a_job_that_no_worker_holds_rejects_all_writes_of_workers(
    status: JobState, sessions: Sessions
) -> None:
    job = make_job(sessions, status=status, attempt=1)
    with sessions.begin() as session:
        for write in WRITES:
            with pytest.raises(LeaseLostError):
                write(LeaseRepository(session), job.id)


def test_only_changes_visible_to_clients_make_a_new_version(sessions: Sessions) -> None:
    job = make_job(sessions)
    steps: list[tuple[Callable[[Session], Any], int]] = [
        (lambda session: RecoveryRepository(session).mark_pushed([job.id]), 0),
        (lambda session: ClaimRepository(session).claim(job.id, "worker-1"), 1),
        (lambda session: LeaseRepository(session).heartbeat(job.id, 1), 0),
        (lambda session: LeaseRepository(session).report_progress(job.id, 1, fraction=0.5), 1),
        (lambda session: LeaseRepository(session).report_progress(job.id, 1), 0),
        (lambda session: LeaseRepository(session).report_block(job.id, 1, 0, "layers.0", {}), 0),
        (lambda session: LeaseRepository(session).release(job.id, 1), 1),
        (lambda session: ClaimRepository(session).claim(job.id, "worker-1"), 1),
        (lambda session: LeaseRepository(session).succeed(job.id, 2, {}, []), 1),
    ]
    before = job
    for step, raised in steps:
        with sessions.begin() as session:
            step(session)
        with sessions() as session:
            after = JobRepository(session).get(job.id)
        assert after.version == before.version + raised
        assert raised or after.updated_at == before.updated_at
        before = after


def test_a_lease_that_begins_in_the_future_has_expired(sessions: Sessions) -> None:
    """The clock was set back by an hour after the claim."""
    job, other = claimed(sessions), claimed(sessions)
    with sessions.begin() as session:
        later = {"leased_at": now(timedelta(hours=1)), "lease_until": now(timedelta(hours=2))}
        session.execute(update(Job).where(Job.id == job.id).values(**later))
        queues = QueueRepository(session)
        assert queues.has_runnable([], job.id)
        assert not queues.has_runnable([], other.id)
        released = RecoveryRepository(session).release_expired()
        assert [one.id for one in released] == [job.id]


def crash(sessions: Sessions, job_id: str, *blocks: int) -> JobState:
    """Claim the job, finish some blocks, and release it as lost."""
    with sessions.begin() as session:
        taken = ClaimRepository(session).claim(job_id, "worker-1")
        assert taken is not None
        for index in blocks:
            LeaseRepository(session).report_block(
                job_id, taken.attempt, index, f"layers.{index}", {}
            )
            LeaseRepository(session).report_progress(
                job_id, taken.attempt, block=(index, 9, f"layers.{index}")
            )
        lost = RecoveryRepository(session).release_lost(job_id, "worker-1")
        assert lost is not None
        return JobState(lost.status)


def test_crashes_with_a_new_block_finished_between_them_do_not_add_up(sessions: Sessions) -> None:
    job = make_job(sessions)
    ends = [crash(sessions, job.id, *range(count)) for count in (1, 2, 3, 4, 4, 3)]
    assert ends == [JobState.queued] * 5 + [JobState.failed]
    with sessions() as session:
        assert JobRepository(session).get(job.id).crashes == 6


def test_crashes_that_are_a_day_apart_do_not_add_up(sessions: Sessions) -> None:
    job = make_job(sessions)
    for _ in range(5):
        assert crash(sessions, job.id) is JobState.queued
        with sessions.begin() as session:
            session.execute(update(Job).values(struck_at=now(-timedelta(days=1, seconds=1))))
    assert [crash(sessions, job.id) for _ in range(2)] == [JobState.queued, JobState.queued]
    assert crash(sessions, job.id) is JobState.failed
