"""Programs that are killed, suspended or fail at each of their writes."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import OperationalError

from db.access.audit import AuditRepository
from db.core.clock import now
from db.core.session import open_sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.files.artifacts import ArtifactRepository
from db.files.retention import FileRetention
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.recovery import PUSH_AGAIN_AFTER, RecoveryRepository
from db.tables.daily_use import DailyUse
from db.tables.jobs import Job
from tests.api.work import finish_job
from tests.chaos import programs
from tests.chaos.fault_injection import FaultPlan
from tests.chaos.forks import KILLED
from tests.chaos.inputs import write_inputs
from tests.chaos.stage import Stage
from tests.chaos.tally import broken, wrong_sums
from tests.factories import expire_lease

pytestmark = pytest.mark.chaos

TRIPLES, KILLS_WITH_A_MODEL = 5, 6
HEALTHY = FaultPlan()


def test_a_worker_killed_at_any_write_loses_nothing_and_repeats_nothing(stage: Stage) -> None:
    resumed: set[int] = set()

    def prepare() -> tuple[str, str]:
        return stage.new_job(), "killed"

    def check(at: int, job_id: str, _worker: str) -> None:
        stage.recover(job_id)
        stage.finish(job_id)
        stage.check(f"worker killed at {at}", job_id)
        with stage.sessions() as session:
            events = EventRepository(session).events(job_id)
        resumed.update(one.data["resumed_from_block"] for one in events if one.kind == "resumed")

    stage.finish_undisturbed()
    stage.kill_at_each_write("worker", programs.work, prepare, check)
    assert resumed == {1, 2, 3}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_killed_while_it_prunes_a_model_loses_nothing_and_repeats_nothing(
    stage: Stage,
) -> None:
    write_inputs(stage.world.inputs)
    program, spec = programs.work_with_a_model, programs.SPEC_OF_A_MODEL
    stage.finish_undisturbed(program, spec)  # this one also measures the dense model
    writes = stage.forks.count("kill", program, stage.new_job(spec), "counted")
    for at in spread(KILLS_WITH_A_MODEL, writes):
        job_id = stage.new_job(spec)
        assert stage.forks.run(FaultPlan("kill", at), program, job_id, "killed") == KILLED
        stage.tally.fault("worker with a model killed")
        stage.recover(job_id)
        assert stage.forks.run(HEALTHY, program, job_id, "healthy") == 0
        stage.check(f"worker with a model killed at {at}", job_id)
    assert stage.tally.violations == []


def test_a_worker_suspended_past_its_lease_changes_nothing_when_it_continues(stage: Stage) -> None:
    stage.finish_undisturbed()
    writes = stage.forks.count("freeze", programs.work, stage.new_job(), "counted")
    for at in range(1, writes + 1):
        job_id = stage.new_job()
        pid = stage.forks.start(FaultPlan("freeze", at), programs.work, job_id, "frozen")
        assert stage.forks.is_stopped(pid), f"it ended before write {at} of {writes}"
        assert is_writable(stage.world.database), f"write {at} to a file is in a transaction"
        stage.recover(job_id)
        stage.finish(job_id)
        os.kill(pid, signal.SIGCONT)
        assert stage.forks.end(pid) == 0
        programs.repair(stage.world, stage.sessions)
        stage.finish(job_id)
        stage.tally.fault("worker frozen past its lease")
        stage.check(f"worker frozen at {at}", job_id)
    assert stage.tally.violations == []


def test_a_full_disk_delays_the_job_and_the_next_attempt_finishes_it(stage: Stage) -> None:
    stage.finish_undisturbed()
    writes = stage.forks.count("disk", programs.work, stage.new_job(), "counted")
    for at in range(1, writes + 1):
        job_id = stage.new_job()
        code = stage.forks.run(FaultPlan("disk", at), programs.work, job_id, "full")
        job = stage.job(job_id)
        if job.attempt == 0:  # it could not begin: its message is sent again
            assert (code, job.status) == (1, JobState.queued)
        elif job.status is not JobState.succeeded:  # otherwise only tidying up failed
            is_delayed(stage, job)
        stage.finish(job_id)
        stage.tally.fault("disk full")
        stage.check(f"disk full at {at}", job_id)
    assert stage.tally.violations == []


def is_delayed(stage: Stage, job: Job) -> None:
    """Check that a job waits because the disk was full, and let it wait no longer."""
    assert (job.status, job.retries) == (JobState.queued, 1)
    with stage.sessions.begin() as session:
        assert ArtifactRepository(session).of_job(job.id) == []
        assert EventRepository(session).events(job.id)[-1].data["error"]["code"] == "disk_full"
        session.execute(update(Job).where(Job.id == job.id).values(not_before=now()))


def test_a_message_delivered_three_times_runs_the_job_once(stage: Stage) -> None:
    stage.finish_undisturbed()
    for number in range(TRIPLES):
        job_id = stage.new_job()
        pids = [stage.forks.start(HEALTHY, programs.work, job_id, f"one-{n}") for n in range(3)]
        assert [stage.forks.end(pid) for pid in pids] == [0, 0, 0]
        assert stage.job(job_id).attempt == 1
        stage.tally.fault("message delivered again", 2)
        stage.check(f"message delivered again, {number}", job_id)
    assert stage.tally.violations == []


def test_an_api_killed_at_any_write_loses_no_committed_job(stage: Stage) -> None:
    stage.finish_undisturbed()
    stage.kill_at_each_write("API", programs.submit, tuple, lambda _: None)
    with stage.sessions.begin() as session:
        accepted = [
            one.id
            for one in JobRepository(session).page(limit=100)
            if one.status is JobState.queued
        ]
        # What it had pushed may be lost with it: half a minute later all are pushed again.
        long_ago = {"pushed_at": now(-2 * PUSH_AGAIN_AFTER)}
        session.execute(update(Job).where(Job.pushed_at.is_not(None)).values(long_ago))
        assert sorted(RecoveryRepository(session).unpushed(100)) == sorted(accepted)
    assert len(accepted) > 2, "it was killed before it had committed anything, each time"
    for job_id in accepted:
        stage.finish(job_id)
        stage.check("job of a killed API", job_id)
    assert stage.tally.violations == []


def test_the_work_of_a_control_process_killed_at_any_write_is_finished_by_the_next(
    stage: Stage,
) -> None:
    lost: list[str] = []

    def lose_a_worker() -> tuple[()]:
        lost.append(job_id := stage.new_job())
        with stage.sessions.begin() as session:
            ClaimRepository(session).claim(job_id, "lost")
        expire_lease(stage.sessions, job_id)
        return ()

    def check(at: int) -> None:
        programs.repair(stage.world, stage.sessions)
        stage.finish(lost[-1])
        stage.check(f"control process killed at {at}", lost[-1])

    stage.finish_undisturbed()
    stage.kill_at_each_write("control process", programs.repair, lose_a_worker, check)


def test_a_deletion_by_a_rule_killed_at_any_write_is_finished_and_recorded_once(
    stage: Stage,
) -> None:
    store, sessions = stage.world.store, stage.sessions

    def prepare() -> tuple[()]:
        finished.append(finish_job(sessions, store).id)
        return ()

    def check(at: int) -> None:
        job_id = finished[-1]
        stage.tally.check(f"retention killed at {at}", missing(job_id))
        programs.retain(stage.world, sessions)
        left = (stage.artifact_dir / job_id).rglob("*")
        assert {path.name for path in left if path.is_file()} == {"report.json", "provenance.json"}
        with sessions() as session:
            kinds = [one.kind for one in EventRepository(session).events(job_id)]
        assert kinds == ["status", "status", "status", "files_deleted"]

    def missing(job_id: str) -> list[str]:
        """Return the files that seem to be stored, but are not."""
        with sessions() as session:
            files = ArtifactRepository(session).of_job(job_id)
        stored = [one.name for one in files if one.deleted_at is None]
        return [name for name in stored if not (stage.artifact_dir / job_id / "1" / name).exists()]

    finished: list[str] = []
    stage.kill_at_each_write("retention", programs.retain, prepare, check)
    with sessions() as session:
        assert AuditRepository(session).count() == len(finished)
        assert FileRetention(session).unremoved() == []


def test_the_daily_sums_are_those_of_the_rows_after_a_kill_at_any_write(stage: Stage) -> None:
    def prepare() -> tuple[str]:
        job = finish_job(stage.sessions, stage.world.store, labels={"team": "speech"})
        with stage.sessions.begin() as session:
            session.execute(delete(DailyUse))  # for the program to make again
        return (job.id,)

    def check(at: int, _: str) -> None:
        with stage.sessions() as session:
            (rows,) = session.scalars(select(func.count()).select_from(DailyUse))
        found.add(rows > 0)
        if rows:
            stage.tally.check(f"sums killed at {at}", wrong_sums(stage.sessions))

    found = set[bool]()
    stage.kill_at_each_write("sums", programs.correct_and_delete, prepare, check)
    assert found == {False, True}, "it was killed only before, or only after it had made the sums"
    assert wrong_sums(stage.sessions) == []


def is_writable(database: str) -> bool:
    """Return whether a transaction that writes can begin within a second."""
    sessions = open_sessions(database, busy_timeout=timedelta(seconds=1))
    try:
        with sessions.begin():
            return True
    except OperationalError:
        return False
    finally:
        sessions.kw["bind"].dispose()


def test_a_process_in_a_transaction_is_not_writable_for_others(stage: Stage) -> None:
    with stage.sessions.begin():
        assert is_writable(stage.world.database) is (stage.database == "postgresql")
    assert is_writable(stage.world.database)


def spread(number: int, writes: int) -> Iterator[int]:
    """Yield ``number`` different writes, including the first and the last."""
    assert writes >= number > 1
    return (1 + round(index * (writes - 1) / (number - 1)) for index in range(number))


def test_broken_invariants_are_reported(stage: Stage) -> None:
    """The check itself finds a job that did not end, and a file that is not what its row says."""

    def found() -> list[str]:
        return broken(stage.sessions, stage.artifact_dir, job_id, stage.whole)

    stage.finish_undisturbed()
    job_id = stage.new_job()
    assert len(found()) == 3
    stage.finish(job_id)
    assert found() == []
    file = next((stage.artifact_dir / job_id).rglob("*.json"))
    file.write_text("{ }")
    assert found() != []
    file.unlink()
    assert found() != []
