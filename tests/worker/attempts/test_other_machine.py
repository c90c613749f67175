"""A worker is killed; a worker on another machine continues from the files in the bucket."""

import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from db.buckets.errors import BucketError
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.events.job_events import EventRepository
from db.files.stores import open_store
from db.jobs import releases
from db.spec.prune_spec import PruneSpec
from tests.factories import make_job, make_spec
from tests.worker.processes import STEP_TOKENS, job_until_step, run_until_killed
from tests.worker.rows import cancel, pruned, read
from tests.worker.work import work
from worker.attempts.engine import prune
from worker.attempts.run import Prune, Runner
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources
from worker.settings import WorkerSettings

Steps = Generator[JobProgress, None, JobResult]


@pytest.fixture
def on_machine(sessions: Sessions, bucket_url: str, tmp_path: Path) -> Callable[..., Runner]:
    """Return a function that makes a runner on a machine, which is a data folder."""

    def make(prune: Prune, machine: str, roots: Path | None = None, **fields: object) -> Runner:
        where = {"data_dir": tmp_path / machine, "artifact_url": bucket_url}
        folders = {"model_roots": (roots,), "dataset_roots": (roots,)} if roots else {}
        settings = WorkerSettings.model_validate(where | folders | fields)
        return Runner(
            sessions,
            open_store(settings),
            prune,
            settings,
            worker=f"{machine}/1",
            exit_process=lambda: None,
        )

    return make


@pytest.mark.usefixtures("small_steps")
def test_a_killed_recovery_continues_on_another_machine_with_the_same_bytes(
    sessions: Sessions,
    on_machine: Callable[..., Runner],
    database_url: str,
    bucket_url: str,
    inputs: Path,
    tmp_path: Path,
) -> None:
    recover = {"kind": "masked", "tokens": 2 * STEP_TOKENS}
    spec = make_spec(model="local:dense", dataset="local:rows.jsonl", samples=16, recover=recover)
    whole, job = make_job(sessions, spec=spec), make_job(sessions, spec=spec)
    other = on_machine(prune, "there", inputs)
    other.run(whole.id)
    roots = {"model_roots": (inputs,), "dataset_roots": (inputs,)}
    settings = {"data_dir": tmp_path / "here", "artifact_url": bucket_url, **roots}
    run_until_killed(job_until_step, database_url, "here/9", settings, job.id, 2)
    releases.release_job(sessions, other._store, job.id, "here/9")

    other.run(job.id)

    assert pruned(sessions, job) == pruned(sessions, whole)
    with sessions() as session:
        events = EventRepository(session).events(job.id)
    resumed = [event.data for event in events if event.kind == "resumed"]
    assert resumed == [{"resumed_from_block": 3}, {"resumed_from_step": 1}]
    assert other._store.staged_jobs() == []
    left = tmp_path / "here" / "artifacts"
    assert list(left.rglob("*.safetensors"))
    on_machine(work(), "here").run(make_job(sessions).id)
    assert not list(left.rglob("*.safetensors"))


def test_a_worker_that_is_stopped_saves_its_last_block_first(
    sessions: Sessions, on_machine: Callable[..., Runner]
) -> None:
    job, stopping = make_job(sessions), threading.Event()

    def journaled(spec: PruneSpec, out: Path, resources: Resources) -> Steps:
        (out / ".progress").mkdir(exist_ok=True)
        journal = out / ".progress" / "journal.jsonl"
        for index in range(3):
            if index == 1:
                stopping.set()
            with journal.open("a") as file:
                file.write(f"{index}\n")
            yield JobProgress(Phase.pruning, 0.5, (index, 3, f"layers.{index}"), {})
        return JobResult({})

    here = on_machine(journaled, "here")
    here._stopping = stopping
    here.run(job.id)
    assert read(sessions, job.id).status is JobState.queued

    staged = on_machine(work(), "there")._store.stage(job.id, 2)
    assert (staged / ".progress" / "journal.jsonl").read_text() == "0\n1\n"


def test_a_long_upload_keeps_the_lease_and_stops_on_a_cancel(
    sessions: Sessions, on_machine: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, renewals = make_job(sessions), set()
    runner = on_machine(work(blocks=2), "here", lease_s=2.0, cancel_grace_s=30)
    published = runner._store.publish

    def slow(*args: object) -> object:
        check = args[-1]
        assert callable(check)
        for _ in range(1000):
            renewals.add(read(sessions, job.id).lease_until)
            if len(renewals) == 4:
                cancel(sessions, job.id)
            threading.Event().wait(0.2)
            check()
        return published(*args)  # type: ignore[arg-type] # the same arguments

    monkeypatch.setattr(runner._store, "publish", slow)
    runner.run(job.id)
    assert read(sessions, job.id).status is JobState.cancelled
    assert len(renewals) >= 4


def test_a_bucket_that_does_not_respond_delays_the_job_and_keeps_its_blocks(
    sessions: Sessions, on_machine: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(sessions)
    runner = on_machine(work(), "here")

    def unreachable(*_: object) -> None:
        raise BucketError("the bucket does not respond")

    for name in ("save", "publish", "retract", "discard", "is_resumable"):
        monkeypatch.setattr(runner._store, name, unreachable)
    runner.run(job.id)
    delayed = read(sessions, job.id)
    assert (delayed.status, delayed.retries) == (JobState.queued, 1)
