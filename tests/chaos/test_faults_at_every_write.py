"""Programs that are killed, suspended or fail at each of their writes."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from db.access.audit import AuditRepository
from db.core.clock import now
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.files.artifacts import ArtifactRepository
from db.files.retention import FileRetention
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.recovery import PUSH_AGAIN_AFTER, RecoveryRepository
from db.tables.jobs import Job
from tests.api.work import finish_job
from tests.chaos import programs
from tests.chaos.programs import SPEC, FaultPlan, World
from tests.chaos.tally import Tally, broken, weights
from tests.factories import expire_lease, make_job
from tests.processes import has_ended
from worker.control import lease_recovery, retention
from worker.settings import WorkerSettings

pytestmark = pytest.mark.chaos

FREEZES, FULL_DISKS, TRIPLES, SUBMITS, ROUNDS, DELETIONS = 8, 16, 5, 10, 10, 4
KILLS = {"sqlite": 40, "postgresql": 20}
"""By database: with SQLite its own writes to files count as well."""
AT_ONCE = 2
KILLED = -signal.SIGKILL
ENDS_WITHIN_S = 180.0
HEALTHY = FaultPlan()


class Stage:
    """One world, its processes, and an undisturbed job to compare with."""

    def __init__(
        self, world: World, sessions: Sessions, processes: ForkServerContext, tally: Tally
    ) -> None:
        self.world, self.sessions, self.tally = world, sessions, tally
        self._processes = processes
        # At each start, multiprocessing also reads how the other processes have ended. If two
        # threads read the end of one process, the second one says that it has ended with 255.
        self._lock = threading.Lock()
        whole, again = (make_job(sessions, SPEC).id for _ in range(2))
        self.count("kill", programs.run, whole, "whole")
        # The first also measures the dense model, which the others need not.
        self.writes = self.count("kill", programs.run, again, "again")
        self.whole = weights(sessions, whole)
        assert self.whole

    @property
    def database(self) -> str:
        """The name of the database, as in `KILLS`."""
        name: str = self.sessions.kw["bind"].dialect.name
        return name

    def start(self, program: Callable[..., None], plan: FaultPlan, *arguments: Any) -> BaseProcess:
        process = self._processes.Process(target=program, args=(self.world, plan, *arguments))
        with self._lock:
            process.start()
        return process

    def end(self, process: BaseProcess) -> int | None:
        """Wait until a process ends, and return how; None if it does not end."""
        wait([process.sentinel], ENDS_WITHIN_S)
        with self._lock:
            return process.exitcode

    def run(self, program: Callable[..., None], plan: FaultPlan, *arguments: Any) -> int:
        """Let a process do it to its end, and return how it ended."""
        code = self.end(self.start(program, plan, *arguments))
        assert code is not None, f"{program} with {plan} does not end"
        return code

    def count(self, fault: str, program: Callable[..., None], *arguments: Any) -> int:
        """Run a program without a fault, and return the number of its writes."""
        count_file = self.world.folder / f"writes-{time.monotonic_ns()}"
        assert self.run(program, FaultPlan(fault, count_file=count_file), *arguments) == 0
        return int(count_file.read_text())

    def job(self, job_id: str) -> Job:
        with self.sessions() as session:
            return JobRepository(session).get(job_id)

    def repair(self) -> None:
        """Run lease recovery and the relay once."""
        settings = self.world.settings(WorkerSettings)
        lease_recovery.recover_leases(self.sessions, self.world.store, settings.keep_unfinished)

    def finish(self, job_id: str) -> None:
        """Let a healthy worker take the job, if it is not over; what it leaves is checked later."""
        assert self.run(programs.run, HEALTHY, job_id, f"healthy-{job_id}") == 0

    def fault(self, kind: str, at: int, job_id: str) -> None:
        """Note the fault, and whatever it broke."""
        self.tally.fault(kind)
        self.check(kind, at, job_id)

    def check(self, kind: str, at: int, job_id: str) -> None:
        """Note what is broken about a job that should have ended well."""
        artifact_dir = self.world.settings(WorkerSettings).artifact_dir
        self.tally.check(f"{kind} at {at}", broken(self.sessions, artifact_dir, job_id, self.whole))

    def each(self, act: Callable[[int], None], number: int, writes: int) -> None:
        """Call ``act`` for ``number`` of the writes, and report all violations."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(act, spread(min(number, writes), writes)))
        assert self.tally.violations == []


def spread(number: int, writes: int) -> Iterator[int]:
    """Yield ``number`` different writes, including the first and the last."""
    assert writes >= number > 1
    return (1 + round(index * (writes - 1) / (number - 1)) for index in range(number))


@pytest.fixture
def stage(world: World, sessions: Sessions, processes: ForkServerContext, tally: Tally) -> Stage:
    return Stage(world, sessions, processes, tally)


def test_a_worker_killed_at_any_write_loses_nothing_and_repeats_nothing(stage: Stage) -> None:
    def act(at: int) -> None:
        job_id = make_job(stage.sessions, SPEC).id
        code = stage.run(programs.run, FaultPlan("kill", at), job_id, f"killed-{at}")
        if code == 0:  # it had fewer writes than the one that was counted
            return
        assert code == KILLED
        if stage.job(job_id).lease_until is not None:
            expire_lease(stage.sessions, job_id)
        stage.repair()
        stage.finish(job_id)
        stage.fault("worker killed", at, job_id)

    stage.each(act, KILLS[stage.database], stage.writes)


def test_a_worker_suspended_past_its_lease_changes_nothing_when_it_continues(stage: Stage) -> None:
    def act(at: int) -> None:
        job_id = make_job(stage.sessions, SPEC).id
        frozen = stage.start(programs.run, FaultPlan("freeze", at), job_id, f"frozen-{at}")
        wait_until_frozen(frozen.pid or 0, stage.world.database)
        if stage.job(job_id).lease_until is not None:
            expire_lease(stage.sessions, job_id)
        stage.repair()
        stage.finish(job_id)
        os.kill(frozen.pid or 0, signal.SIGCONT)
        assert stage.end(frozen) is not None
        stage.repair()
        stage.finish(job_id)
        stage.fault("worker frozen past its lease", at, job_id)

    writes = stage.count("freeze", programs.run, make_job(stage.sessions, SPEC).id, "counted")
    stage.each(act, FREEZES, writes)


def test_a_full_disk_delays_the_job_and_the_next_attempt_finishes_it(stage: Stage) -> None:
    writes = stage.count("disk", programs.run, make_job(stage.sessions, SPEC).id, "counted")

    def act(at: int) -> None:
        job_id = make_job(stage.sessions, SPEC).id
        assert stage.run(programs.run, FaultPlan("disk", at), job_id, f"full-{at}") == 0
        job = stage.job(job_id)
        if job.status is not JobState.succeeded:  # what failed then was only tidying up
            assert (job.status, job.retries) == (JobState.queued, 1)
            with stage.sessions.begin() as session:
                assert ArtifactRepository(session).of_job(job_id) == []
                assert (
                    EventRepository(session).events(job_id)[-1].data["error"]["code"] == "disk_full"
                )
                waits = update(Job).where(Job.id == job_id)
                session.execute(waits.values(not_before=now()))
            stage.finish(job_id)
        stage.fault("disk full", at, job_id)

    stage.each(act, FULL_DISKS, writes)


def test_a_message_delivered_three_times_runs_the_job_once(stage: Stage) -> None:
    for number in range(TRIPLES):
        job_id = make_job(stage.sessions, SPEC).id
        started = [stage.start(programs.run, HEALTHY, job_id, f"{number}-{n}") for n in range(3)]
        assert None not in [stage.end(process) for process in started]
        assert stage.job(job_id).attempt == 1
        stage.tally.fault("message delivered again", 2)
        stage.check("message delivered again", number, job_id)
    assert stage.tally.violations == []


def test_an_api_killed_at_any_write_loses_no_committed_job(stage: Stage) -> None:
    before = stage.count("kill", programs.submit)

    def act(at: int) -> None:
        assert stage.run(programs.submit, FaultPlan("kill", at)) == KILLED
        stage.tally.fault("API killed")

    stage.each(act, SUBMITS, before)
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
    assert accepted, "it was killed before it had committed anything, each time"
    for job_id in accepted[:2]:
        stage.finish(job_id)
        stage.check("job of a killed API", 0, job_id)
    assert stage.tally.violations == []


def test_the_work_of_a_control_process_killed_at_any_write_is_finished_by_the_next(
    stage: Stage,
) -> None:
    def lose_a_worker() -> str:
        job_id = make_job(stage.sessions, SPEC).id
        with stage.sessions.begin() as session:
            ClaimRepository(session).claim(job_id, "lost")
        expire_lease(stage.sessions, job_id)
        return job_id

    lose_a_worker()
    writes = stage.count("kill", programs.repair)
    lost: list[str] = []
    for at in spread(min(ROUNDS, writes), writes):
        lost.append(lose_a_worker())
        code = stage.run(programs.repair, FaultPlan("kill", at))
        assert code in {0, KILLED}
        stage.tally.fault("control process killed", code != 0)
    stage.repair()
    for job_id in lost[:2]:
        stage.finish(job_id)
        stage.check("job of a killed control process", 0, job_id)
    assert {stage.job(one).status for one in lost[2:]} == {JobState.queued}
    assert stage.tally.violations == []


def test_a_deletion_by_a_rule_killed_at_any_write_is_finished_and_recorded_once(
    world: World, sessions: Sessions, processes: ForkServerContext, tally: Tally
) -> None:
    artifact_dir = world.settings(WorkerSettings).artifact_dir

    def kill_at(at: int | None) -> tuple[int, str]:
        """Return the number of writes, if the process is not killed, and the id of the job."""
        job_id, count_file = finish_job(sessions, world.store).id, world.folder / "writes"
        plan = FaultPlan("kill", at, count_file)
        process = processes.Process(target=programs.retain, args=(world, plan))
        process.start()
        process.join(ENDS_WITHIN_S)
        assert process.exitcode == (0 if at is None else KILLED)
        return int(count_file.read_text()), job_id

    def missing(job_id: str) -> list[str]:
        """Return the files that seem to be stored, but are not."""
        with sessions() as session:
            files = ArtifactRepository(session).of_job(job_id)
        stored = [one.name for one in files if one.deleted_at is None]
        return [name for name in stored if not (artifact_dir / job_id / "1" / name).exists()]

    writes, _ = kill_at(None)
    rounds = min(DELETIONS, writes)
    for at in spread(rounds, writes):
        _, job_id = kill_at(at)
        tally.fault("retention killed")
        tally.check(f"retention killed at {at}", missing(job_id))
        retention.delete_files(sessions, world.store, [programs.NO_FILES])
        left = (artifact_dir / job_id).rglob("*")
        assert {path.name for path in left if path.is_file()} == {"report.json", "provenance.json"}
        with sessions() as session:
            kinds = [one.kind for one in EventRepository(session).events(job_id)]
        assert kinds == ["status", "status", "status", "files_deleted"]
    assert tally.violations == []
    with sessions() as session:
        assert AuditRepository(session).count() == rounds + 1
        assert FileRetention(session).unremoved() == []


def wait_until_frozen(pid: int, database: str) -> None:
    """Wait until a process is suspended outside transactions, so that it blocks no other one.

    The fault is between two transactions of the thread that has it, but another thread, as that of
    the lease, may be in one.
    """
    wait_until_stopped(pid)
    while not is_writable(database):
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)
        os.kill(pid, signal.SIGSTOP)
        wait_until_stopped(pid)


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


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + ENDS_WITHIN_S
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline, "it was not frozen"
        assert not has_ended(pid), "it ended before"
        time.sleep(0.01)


def test_a_process_in_a_transaction_is_not_writable_for_others(stage: Stage) -> None:
    with stage.sessions.begin():
        assert is_writable(stage.world.database) is (stage.database == "postgresql")
    assert is_writable(stage.world.database)


def test_faults_are_spread_from_the_first_write_to_the_last() -> None:
    assert list(spread(3, 9)) == [1, 5, 9]
    assert len(set(spread(52, 52))) == 52


def test_broken_invariants_are_reported(stage: Stage, tmp_path: Path) -> None:
    """The check itself finds a job that did not end, and a file that is not what its row says."""
    artifact_dir = stage.world.settings(WorkerSettings).artifact_dir
    job_id = make_job(stage.sessions, SPEC).id
    assert len(broken(stage.sessions, artifact_dir, job_id, stage.whole)) == 3
    stage.finish(job_id)
    assert broken(stage.sessions, artifact_dir, job_id, stage.whole) == []
    next((artifact_dir / job_id).rglob("*.json")).write_text("{}")
    assert broken(stage.sessions, artifact_dir, job_id, stage.whole) != []
