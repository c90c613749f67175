"""Random calls and faults against the repositories, compared with a small model of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import IllegalTransitionError, JobError, JobNotFoundError, LeaseLostError
from db.core.session import Sessions
from db.core.states import FINAL
from db.events.use_sums import correction
from db.files.sealed_folder import NewArtifact
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.claims import ClaimRepository
from db.scheduling.crashes import MAX_CRASHES
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.tables.artifacts import Artifact
from db.tables.daily_use import DailyUse
from db.tables.jobs import Job, JobEvent
from db.tables.past_attempts import PastAttempt
from tests.factories import make_problem, make_spec

EXAMPLES, STEPS = {"sqlite": 40, "postgresql": 10}, 50
"""Fewer on PostgreSQL, where each statement is slower and SQL is what can differ."""
AT_ONCE = 2
"""Few jobs, so that each sees many calls."""
Row = TypeVar("Row", JobEvent, Artifact)
HOUR = timedelta(hours=1)
FILE = NewArtifact("model.safetensors", 1, "0" * 64, "application/octet-stream")
HELD = {"running", "pausing", "cancelling"}
ENDED = {"succeeded", "failed", "cancelled", "expired"}


@dataclass
class Model:
    """The expected state of one job."""

    status: str = "queued"
    attempt: int = 0
    crashes: int = 0
    strikes: int = 0
    worker: str | None = None
    is_expired: bool = False
    is_overdue: bool = False
    is_pushed: bool = False
    blocks: dict[int, int] = field(default_factory=dict)
    """The last reported block of each attempt."""
    trail: list[str] = field(default_factory=lambda: ["queued"])

    def become(self, status: str) -> None:
        self.status = status
        self.trail.append(status)
        if status not in HELD:
            self.is_expired, self.is_pushed = False, False

    def finish(self, attempt: int, block: int) -> None:
        """Only a block that no earlier attempt has reached makes up for crashes."""
        if all(last < block for number, last in self.blocks.items() if number < attempt):
            self.strikes = 0
        self.blocks[attempt] = max(block, self.blocks.get(attempt, -1))

    def holds(self, attempt: int) -> bool:
        return self.status in HELD and self.attempt == attempt


class _Undone(Exception):  # noqa: N818 - a fault, not an error
    """The process ends before its commit."""


class JobMachine(RuleBasedStateMachine):
    """Clients, workers and the control process, in any order, with duplicate and late calls."""

    jobs = Bundle("jobs")
    attempts = Bundle("attempts")

    def __init__(self, sessions: Sessions) -> None:
        super().__init__()
        self.sessions = sessions
        self.models: dict[str, Model] = {}

    def teardown(self) -> None:
        with self.sessions.begin() as session:
            for table in (Job, PastAttempt, DailyUse):
                session.execute(delete(table))

    # Clients.

    @precondition(lambda self: len(self.models) < AT_ONCE)
    @rule(target=jobs)
    def submit(self) -> Any:
        with self.sessions.begin() as session:
            job_id = JobRepository(session).add(NewJob(make_spec())).id
        self.models[job_id] = Model()
        return job_id

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        after = {"queued": "cancelled", "paused": "cancelled", "running": "cancelling"}
        after |= {"pausing": "cancelling", "cancelling": "cancelling", "cancelled": "cancelled"}
        self._steer(job, "cancel", after)

    @rule(job=jobs)
    def pause(self, job: str) -> None:
        after = {"queued": "paused", "running": "pausing", "pausing": "pausing", "paused": "paused"}
        self._steer(job, "pause", after)

    @rule(job=jobs)
    def resume(self, job: str) -> None:
        after = {"paused": "queued", "pausing": "running", "queued": "queued", "running": "running"}
        self._steer(job, "resume", after)

    @rule(job=jobs)
    def retry(self, job: str) -> None:
        ended = ("failed", "cancelled", "expired")
        if self._steer(job, "retry", dict.fromkeys(ended, "queued")):
            model = self.models[job]
            model.crashes, model.strikes, model.is_overdue = 0, 0, False

    @rule(job=jobs)
    def describe(self, job: str) -> None:
        def act(session: Session) -> None:
            JobCommands(session).describe(job, name="another", labels={"a": "b"})

        assert self._refused(act, JobNotFoundError) == (job not in self.models)

    @rule(job=jobs)
    def delete_it(self, job: str) -> None:
        if self._steer(job, "delete", {status: status for status in ENDED}):
            del self.models[job]

    # Workers.

    @rule(target=attempts, job=jobs, worker=st.sampled_from("abc"))
    def claim(self, job: str, worker: str) -> Any:
        """Any number of messages may name one job."""
        with self.sessions.begin() as session:
            claimed = ClaimRepository(session).claim(job, worker)
        model = self.models.get(job)
        crashed = model is not None and model.status == "running" and model.is_expired
        if model is None or not (model.status == "queued" or crashed):
            assert claimed is None
            return multiple()
        if crashed and model.strikes + 1 >= MAX_CRASHES:
            assert claimed is None
            return multiple()
        assert claimed is not None
        model.attempt, model.crashes = model.attempt + 1, model.crashes + crashed
        model.strikes += crashed
        model.become("running")
        model.worker, model.is_expired = worker, False
        return job, model.attempt

    @rule(attempt=attempts, index=st.integers(0, 3))
    def progress(self, attempt: tuple[str, int], index: int) -> None:
        job, number = attempt

        def act(session: Session) -> None:
            LeaseRepository(session).report_block(job, number, index, f"layers.{index}", {})
            LeaseRepository(session).report_progress(
                job, number, fraction=index / 4, block=(index, 4, f"layers.{index}")
            )

        if self._work(attempt, act, {status: status for status in HELD}):
            self.models[job].finish(number, index)

    @rule(attempt=attempts)
    def heartbeat(self, attempt: tuple[str, int]) -> None:
        same = {status: status for status in HELD}
        self._work(attempt, lambda session: LeaseRepository(session).heartbeat(*attempt), same)

    @rule(attempt=attempts)
    def succeed(self, attempt: tuple[str, int]) -> None:
        after = {"running": "succeeded", "pausing": "succeeded"}
        self._work(
            attempt, lambda session: LeaseRepository(session).succeed(*attempt, {}, [FILE]), after
        )

    @rule(attempt=attempts)
    def fail(self, attempt: tuple[str, int]) -> None:
        after = {"running": "failed", "pausing": "failed", "cancelling": "cancelled"}
        self._work(
            attempt, lambda session: LeaseRepository(session).fail(*attempt, make_problem()), after
        )

    @rule(attempt=attempts)
    def release(self, attempt: tuple[str, int]) -> None:
        after = {"running": "queued", "pausing": "paused", "cancelling": "cancelled"}
        self._work(attempt, lambda session: LeaseRepository(session).release(*attempt), after)

    @rule(attempt=attempts)
    def end_before_the_commit(self, attempt: tuple[str, int]) -> None:
        """A transaction that was rolled back has no effect."""
        try:
            with self.sessions.begin() as session:
                LeaseRepository(session).succeed(*attempt, {}, [FILE])
                raise _Undone
        except (_Undone, LeaseLostError):
            pass

    # Time, and the control process.

    @rule(job=jobs)
    def expire_lease(self, job: str) -> None:
        if job in self.models and self.models[job].status in HELD:
            self._set(job, lease_until=now(-timedelta(seconds=1)))
            self.models[job].is_expired = True

    @rule(job=jobs)
    def pass_the_deadline(self, job: str) -> None:
        if job in self.models:
            self._set(job, deadline=now(-HOUR))
            self.models[job].is_overdue = True

    @rule(lost=st.booleans())
    def relay(self, lost: bool) -> None:
        """Push; if the broker loses the messages, half a minute passes."""
        with self.sessions.begin() as session:
            recovery = RecoveryRepository(session)
            ids = recovery.unpushed(1000)
            recovery.mark_pushed(ids)
        waiting = {job for job, it in self.models.items() if it.status == "queued"}
        assert set(ids) == {job for job in waiting if not self.models[job].is_pushed}
        for job in ids:
            self.models[job].is_pushed = not lost
            if lost:
                self._set(job, pushed_at=now(-HOUR))

    @rule()
    def reap(self) -> None:
        with self.sessions.begin() as session:
            recovery = RecoveryRepository(session)
            expired = {job.id for job in recovery.expire_overdue()}
            released = {job.id for job in recovery.release_expired()}
        for job, model in self.models.items():
            ends = model.is_overdue and model.status not in {*ENDED, "cancelling"}
            assert (job in expired) == ends
            if ends:
                model.become("expired")
            silent = model.is_expired and model.status in HELD
            assert (job in released) == silent
            if silent:
                self._lose(model)

    @rule(job=jobs, worker=st.sampled_from("abc"))
    def crash(self, job: str, worker: str) -> None:
        with self.sessions.begin() as session:
            released = RecoveryRepository(session).release_lost(job, worker)
        model = self.models.get(job)
        is_held = model is not None and model.status in HELD
        held = model is not None and is_held and (model.worker == worker or model.is_expired)
        assert (released is not None) == held
        if held and model is not None:
            self._lose(model)

    # Invariants.

    @invariant()
    def rows_match_the_model_and_every_change_is_recorded_once_in_order(self) -> None:
        with self.sessions() as session:
            rows = {job.id: job for job in JobRepository(session).page(limit=1000)}
            events = _by_job(session.scalars(select(JobEvent).order_by(JobEvent.seq)))
            files = _by_job(session.scalars(select(Artifact)))
            assert correction(session.connection()) == {}
        assert set(rows) == set(self.models) == set(events)
        for job_id, model in self.models.items():
            row, recorded = rows[job_id], events[job_id]
            seen = (row.status, row.attempt, row.crashes, row.strikes)
            assert seen == (model.status, model.attempt, model.crashes, model.strikes)
            assert (row.lease_until is not None) == (model.status in HELD)
            assert (row.finished_at is not None) == (row.status in FINAL)
            assert [one.seq for one in recorded] == list(range(1, len(recorded) + 1))
            trail = [one.status.value for one in recorded if one.kind == "status"]
            assert trail == model.trail
            assert trail.count("succeeded") <= 1
            made = [one.attempt for one in files.get(job_id, [])]
            assert made == [model.attempt] * (model.status == "succeeded")

    def _steer(self, job: str, act: str, after: dict[str, str]) -> bool:
        """Send a command; it succeeds if and only if ``after`` has the job's state."""
        model = self.models.get(job)
        refused = self._refused(
            lambda session: getattr(JobCommands(session), act)(job),
            IllegalTransitionError,
            JobNotFoundError,
        )
        assert refused == (model is None or model.status not in after)
        if model is None or refused:
            return False
        if after[model.status] != model.status:
            model.become(after[model.status])
        return True

    def _work(self, attempt: tuple[str, int], act: Any, after: dict[str, str]) -> bool:
        """Write as an attempt; it succeeds if and only if the attempt holds its job."""
        model = self.models.get(attempt[0])
        accepted = model is not None and model.holds(attempt[1]) and model.status in after
        assert self._refused(act, LeaseLostError) != accepted
        if accepted and model is not None:
            before = model.status
            if after[before] != before:
                model.become(after[before])
            else:
                model.is_expired = False
        return accepted

    def _lose(self, model: Model) -> None:
        ran = model.status == "running"
        model.crashes += ran
        model.strikes += ran
        given_up = ran and model.strikes >= MAX_CRASHES
        after = {"running": "queued", "pausing": "paused", "cancelling": "cancelled"}
        model.become("failed" if given_up else after[model.status])

    def _refused(self, act: Any, *errors: type[JobError]) -> bool:
        try:
            with self.sessions.begin() as session:
                act(session)
        except errors:
            return True
        return False

    def _set(self, job: str, **values: Any) -> None:
        with self.sessions.begin() as session:
            session.execute(update(Job).where(Job.id == job).values(**values))


def _by_job(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.job_id, []).append(row)
    return found


def test_after_many_random_steps_the_rows_match_the_model(sessions: Sessions) -> None:
    run_state_machine_as_test(
        lambda: JobMachine(sessions),  # type: ignore[arg-type] # any factory will do
        settings=settings(
            max_examples=EXAMPLES[sessions.kw["bind"].dialect.name],
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
