"""One job from claim to verdict, on a real database, with small work."""

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from db.access.caller_secrets import SecretRepository
from db.core.clock import now
from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.events.history import attempts
from db.events.job_events import EventRepository
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.jobs.commands import JobCommands
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Job
from tests.factories import make_job, make_spec, move
from tests.waiting import DEADLINE_S, eventually
from tests.worker.rows import cancel, read
from tests.worker.work import WARNING, work
from worker.attempts.run import Runner
from worker.jobs import eta
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources

RunnerFactory = Callable[..., Runner]


def statuses(sessions: Sessions, job_id: str) -> list[str]:
    with sessions() as session:
        events = EventRepository(session).events(job_id)
    return [event.status.value for event in events if event.kind == "status"]


def left(store: ArtifactStore, tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]


def test_a_job_ends_with_its_metrics_its_blocks_and_its_files(
    sessions: Sessions, store: ArtifactStore, runner: RunnerFactory
) -> None:
    job = make_job(sessions)

    runner(work(blocks=3)).run(job.id)

    assert read(sessions, job.id).result == {"sparsity": 0.5}
    assert read(sessions, job.id).warnings == [WARNING]
    assert statuses(sessions, job.id) == ["queued", "running", "succeeded"]
    with sessions() as session:
        assert [block.data for block in EventRepository(session).block_reports(job.id)] == [
            {"sparsity": 0.5}
        ] * 3
        files = {
            artifact.name: store.open(artifact)
            for artifact in ArtifactRepository(session).of_job(job.id)
        }
    assert set(files) == {"SHA256SUMS", "model/config.json"}
    assert files["model/config.json"].content() == b"{}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lowers threads")
def test_only_the_work_of_a_job_gives_way_and_not_before_it_computes(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    mine, of_work, of_writers = os.getpriority(os.PRIO_PROCESS, 0), list[int](), list[int]()

    def note(of: list[int]) -> None:
        of.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def begin(_: object) -> None:
        note(of_writers)

    event.listen(sessions.kw["bind"], "begin", begin)
    job = make_job(sessions)
    runner(work(blocks=3, before=lambda _: note(of_work)), worker_nice=mine + 3).run(job.id)

    assert of_work == [mine, mine + 3, mine + 3]
    assert len(of_writers) > 3
    assert set(of_writers) == {mine}


def test_a_job_reads_the_secret_that_its_key_has_when_it_needs_it(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    encryption_key, read_tokens = Fernet.generate_key().decode(), list[str | None]()

    def prune(
        spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        yield JobProgress(Phase.resolving, 0.0)
        read_tokens.append(resources.model_secret())
        return (yield from work(1)(spec, out, resources))

    with sessions.begin() as session:
        cipher = MultiFernet([Fernet(encryption_key)])
        SecretRepository(session).set("hf", "canary.of-the-run", "key_1", cipher)
    outcomes = []
    other_key = Fernet.generate_key().decode()
    for name, key_id, secrets_key in (
        ("hf", "key_1", encryption_key),
        ("hf", "key_2", encryption_key),
        ("deleted", "key_1", encryption_key),
        ("hf", "key_1", other_key),
    ):
        job = make_job(sessions, make_spec(model_secret=name), created_by=key_id)
        runner(prune, secrets_key=secrets_key).run(job.id)
        error = read(sessions, job.id).error
        outcomes.append(None if error is None else error["code"])
    assert outcomes == [None, "secret_not_found", "secret_not_found", "encryption_key"]
    assert read_tokens == ["canary.of-the-run"]


def test_a_running_job_reports_its_remaining_time(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job, seen = make_job(sessions), list[tuple[float | None, float | None]]()

    def check(_: int) -> None:
        now = read(sessions, job.id)
        seen.append((now.eta_p50_s, now.eta_p90_s))

    runner(work(blocks=3, before=check)).run(job.id)

    assert seen[0] == (None, None)
    for p50, p90 in seen[2:]:
        assert p50 is not None
        assert p90 is not None
        assert 0 <= p50 <= p90


def test_a_job_reports_how_much_of_a_measurement_is_done(
    sessions: Sessions, runner: RunnerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eta, "MEASURED_EVERY_S", 0.0)
    job, seen = make_job(sessions, make_spec(generate=True)), list[tuple[float, bool]]()

    def prune(
        spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        yield JobProgress(Phase.pruning, 0.02)
        yield JobProgress(Phase.pruning, 0.95, (0, 1, "layers.0"), {})
        for done in (0.95, 0.96, 0.97):
            yield JobProgress(Phase.evaluating, done)
            row = read(sessions, job.id)
            seen.append((row.progress, row.eta_p50_s is not None))
        return (yield from work(0)(spec, out, resources))

    runner(prune).run(job.id)

    assert seen == [(0.95, False), (0.96, True), (0.97, True)]


def test_a_message_delivered_twice_runs_the_job_once(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)
    done = runner(work())

    done.run(job.id)
    done.run(job.id)

    assert read(sessions, job.id).attempt == 1
    assert statuses(sessions, job.id).count("succeeded") == 1


def test_an_invalid_field_has_the_same_problem_document_as_in_a_request(
    sessions: Sessions, runner: RunnerFactory, store: ArtifactStore, tmp_path: Path
) -> None:
    def refuse(_: int) -> None:
        raise SpecRefusedError("model", "a/b", "model_not_found", "no such model", "Name another.")

    job = make_job(sessions)
    runner(work(before=refuse)).run(job.id)

    failed = read(sessions, job.id)
    assert failed.status is JobState.failed
    assert failed.error is not None
    assert failed.error["code"] == "model_not_found"
    assert failed.error["status"] == 422
    assert failed.error["hint"] == "Name another."
    assert failed.error["errors"][0]["pointer"] == "/model"
    assert left(store, tmp_path) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("a secret"), "internal_error"),
    ],
)
def test_an_error_of_the_machine_is_typed_and_leaks_nothing(
    sessions: Sessions, runner: RunnerFactory, error: Exception, code: str
) -> None:
    def fail(_: int) -> None:
        raise error

    job = make_job(sessions)
    runner(work(before=fail)).run(job.id)

    document = read(sessions, job.id).error
    assert document is not None
    assert document["code"] == code
    assert "a secret" not in str(document)


PASSING = {
    "disk_full": OSError(28, "No space left on device"),
    "database_lost": OperationalError("SELECT", {}, Exception("gone")),
    "hub_unreachable": SpecRefusedError("model", "a/b", "hub_unreachable", "no answer", "Wait."),
}


@pytest.mark.parametrize("code", PASSING)
def test_a_transient_error_is_retried_later(
    sessions: Sessions, runner: RunnerFactory, store: ArtifactStore, code: str
) -> None:
    def fail(_: int) -> None:
        raise PASSING[code]

    job = make_job(sessions)
    runner(work(before=fail)).run(job.id)
    postponed = read(sessions, job.id)
    assert (postponed.status, postponed.retries) == (JobState.queued, 1)
    assert (postponed.error or {}).get("code") == code
    assert store.staged_jobs() == []
    runner(work()).run(job.id)
    assert read(sessions, job.id).attempt == 1, "it is not taken before its time"

    make_due(sessions)
    runner(work()).run(job.id)

    assert read(sessions, job.id).status is JobState.succeeded
    with sessions() as session:
        first, second = attempts(EventRepository(session).events(job.id))
    assert (first.reason, (first.error or {}).get("code")) == ("postponed", code)
    assert (second.reason, second.outcome) == (None, JobState.succeeded)


def test_a_permanent_error_ends_the_job_and_frees_the_disk(
    sessions: Sessions, runner: RunnerFactory, store: ArtifactStore
) -> None:
    def fail(_: int) -> None:
        raise PASSING["disk_full"]

    job = make_job(sessions)
    for _ in range(6):
        assert read(sessions, job.id).status is JobState.queued
        make_due(sessions)
        runner(work(before=fail)).run(job.id)
    failed = read(sessions, job.id)
    assert (failed.status, (failed.error or {}).get("code")) == (JobState.failed, "disk_full")
    assert store.staged_jobs() == []


def make_due(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.not_before.is_not(None)).values(not_before=now()))


def test_a_cancel_stops_the_work_at_its_next_block_and_deletes_what_it_wrote(
    sessions: Sessions, runner: RunnerFactory, store: ArtifactStore, tmp_path: Path
) -> None:
    job = make_job(sessions)
    seen = []

    def second(index: int) -> None:
        seen.append(index)
        if index == 1:
            cancel(sessions, job.id)

    runner(work(blocks=5, before=second)).run(job.id)

    assert seen == [0, 1]
    assert statuses(sessions, job.id)[-2:] == ["cancelling", "cancelled"]
    assert left(store, tmp_path) == []


def test_a_cancel_stops_the_work_between_two_steps_of_a_block_which_are_not_recorded(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job, versions, ended = make_job(sessions), list[int](), threading.Event()

    def training(*_: object) -> Generator[JobProgress, None, JobResult]:
        yield JobProgress(Phase.resolving, 0.0)
        for _step in range(1000):
            yield JobProgress(Phase.pruning, 0.1)
            versions.append(read(sessions, job.id).version)
            if len(versions) == 10:
                cancel(sessions, job.id)
            time.sleep(0.01)
        return JobResult({})

    runner(training, exit_process=ended.set, cancel_grace_s=DEADLINE_S).run(job.id)

    assert statuses(sessions, job.id)[-2:] == ["cancelling", "cancelled"]
    assert len(set(versions[:10])) == 1
    assert len(versions) < 1000
    assert not ended.is_set()


def test_a_cancel_ends_the_process_of_work_that_never_reaches_its_next_block(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)
    ended = threading.Event()

    def hang(_: int) -> None:
        cancel(sessions, job.id)
        assert ended.wait(DEADLINE_S), "cancelled work was not ended"

    runner(work(blocks=1, before=hang), exit_process=ended.set, cancel_grace_s=0.5).run(job.id)

    assert statuses(sessions, job.id)[-1] == "cancelled"


def test_a_stopping_worker_requeues_its_job_without_counting_a_crash(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)
    stopping = threading.Event()

    runner(work(before=lambda _: stopping.set()), stopping=stopping).run(job.id)

    given_back = read(sessions, job.id)
    assert given_back.status is JobState.queued
    assert given_back.crashes == 0
    assert given_back.pushed_at is None


def test_a_job_that_is_to_pause_keeps_its_lease_until_its_block_is_done(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)

    def pause_and_go_on(index: int) -> None:
        if index == 0:
            return
        with sessions.begin() as session:
            JobCommands(session).pause(job.id)
        paused_at = read(sessions, job.id).updated_at
        eventually(lambda: lease_start(sessions, job.id) > paused_at + timedelta(seconds=3))

    runner(work(blocks=3, before=pause_and_go_on), lease_s=2).run(job.id)

    assert statuses(sessions, job.id) == ["queued", "running", "pausing", "paused"]


def lease_start(sessions: Sessions, job_id: str) -> datetime:
    leased_at = read(sessions, job_id).leased_at
    assert leased_at is not None
    return leased_at


def test_a_cancel_ends_the_process_of_a_job_that_is_to_pause(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)
    ended = threading.Event()

    def hang(_: int) -> None:
        with sessions.begin() as session:
            JobCommands(session).pause(job.id)
        paused_at = read(sessions, job.id).updated_at
        eventually(lambda: lease_start(sessions, job.id) > paused_at)  # the pause was noticed
        cancel(sessions, job.id)
        ended.wait(DEADLINE_S)

    runner(work(blocks=1, before=hang), exit_process=ended.set, cancel_grace_s=0.5).run(job.id)

    assert ended.is_set()
    assert read(sessions, job.id).status is JobState.cancelled


def test_a_job_beyond_its_time_limit_fails_with_the_reason(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)
    ended = threading.Event()

    def wait(_: int) -> None:
        assert ended.wait(DEADLINE_S)

    hang = runner(
        work(before=wait),
        exit_process=ended.set,
        job_timeout_s=0.5,
        cancel_grace_s=0,
    )

    hang.run(job.id)

    failed = read(sessions, job.id)
    assert failed.error is not None
    assert failed.error["code"] == "time_limit"


def test_a_job_that_costs_more_than_it_may_stops_after_its_block_and_keeps_its_work(
    sessions: Sessions, store: ArtifactStore, runner: RunnerFactory
) -> None:
    job = make_job(sessions, hourly_price=4.0, currency="EUR", max_cost=100.0)
    pruned = list[int]()

    def spend(index: int) -> None:
        pruned.append(index)
        if index == 1:
            with sessions.begin() as session:
                session.execute(update(Job).where(Job.id == job.id).values(max_cost=0.0))

    runner(work(blocks=3, before=spend)).run(job.id)

    failed = read(sessions, job.id)
    assert failed.error is not None
    assert (pruned, failed.error["code"]) == ([0, 1], "cost_exceeded")
    assert failed.error["errors"][0]["pointer"] == "/max_cost"
    assert "/retry" in failed.error["hint"]
    with sessions.begin() as session:
        assert [one.index for one in EventRepository(session).block_reports(job.id)] == [0, 1]
        session.execute(update(Job).where(Job.id == job.id).values(max_cost=100.0))
        JobCommands(session).retry(job.id)
    runner(work(blocks=3)).run(job.id)
    assert read(sessions, job.id).status is JobState.succeeded


def test_an_attempt_that_lost_its_lease_stops_and_does_not_disturb_the_newer_one(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)
    seen = []

    def overtake(index: int) -> None:
        seen.append(index)
        with sessions.begin() as session:
            assert RecoveryRepository(session).release_lost(job.id, "test/1") is not None
            assert ClaimRepository(session).claim(job.id, "other/2") is not None

    runner(work(before=overtake)).run(job.id)

    assert seen == [0]
    held = read(sessions, job.id)
    assert (held.status, held.attempt, held.worker) == (JobState.running, 2, "other/2")


def test_the_lease_is_renewed_while_the_work_reports_nothing(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)

    def outlast_the_lease(_: int) -> None:
        first = read(sessions, job.id).lease_until
        assert first is not None
        eventually(
            lambda: (read(sessions, job.id).lease_until or first) > first + timedelta(seconds=2)
        )

    runner(work(blocks=1, before=outlast_the_lease), lease_s=2).run(job.id)

    assert read(sessions, job.id).status is JobState.succeeded


def test_a_paused_job_stops_after_its_block_and_continues_when_it_is_resumed(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)

    def pause(index: int) -> None:
        if index == 1:
            with sessions.begin() as session:
                JobCommands(session).pause(job.id)

    runner(work(blocks=3, before=pause)).run(job.id)
    paused = read(sessions, job.id)
    assert (paused.status, paused.crashes, paused.worker) == (JobState.paused, 0, None)

    runner(work(blocks=3)).run(job.id)
    assert read(sessions, job.id).status is JobState.paused, "a stray message starts nothing"

    with sessions.begin() as session:
        JobCommands(session).resume(job.id)
    runner(work(blocks=3)).run(job.id)
    assert statuses(sessions, job.id)[2:] == ["pausing", "paused", "queued", "running", "succeeded"]


def test_a_job_paused_in_its_last_block_has_succeeded(
    sessions: Sessions, runner: RunnerFactory
) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "test/1")
        JobCommands(session).pause(job.id)
        assert LeaseRepository(session).succeed(job.id, 1, {}, []).status is JobState.succeeded


@pytest.mark.parametrize("act", ["expire", "delete"])
def test_an_attempt_stops_if_its_job_expires_or_is_deleted(
    act: str, sessions: Sessions, runner: RunnerFactory, store: ArtifactStore, tmp_path: Path
) -> None:
    job = make_job(sessions)
    seen = []

    def end(index: int) -> None:
        seen.append(index)
        with sessions.begin() as session:
            move(session, job.id, JobState.expired)
            if act == "delete":
                JobCommands(session).delete(job.id)

    runner(work(blocks=5, before=end)).run(job.id)

    assert seen == [0]
    assert left(store, tmp_path) == []
