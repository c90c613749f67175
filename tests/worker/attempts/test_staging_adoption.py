"""A worker's child is killed during a sweep; the next attempt continues after its blocks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.jobs import releases
from db.jobs.commands import JobCommands
from tests.factories import make_job, make_spec
from tests.worker.processes import STEP_TOKENS, job_until_block, job_until_step, run_until_killed
from tests.worker.rows import pruned, read
from tests.worker.work import after_block
from worker.attempts.engine import prune
from worker.attempts.run import Runner


def test_a_job_whose_child_was_killed_resumes_after_its_last_finished_block(
    sessions: Sessions,
    store: ArtifactStore,
    runner: Callable[..., Runner],
    database_url: str,
    inputs: Path,
    tmp_path: Path,
) -> None:
    spec = make_spec(model="local:dense", dataset="local:rows.jsonl", method="sparsegpt")
    whole, job = make_job(sessions, spec=spec), make_job(sessions, spec=spec)
    roots = {"model_roots": (inputs,), "dataset_roots": (inputs,)}
    undisturbed = runner(prune, **roots)
    undisturbed.run(whole.id)
    settings = {"data_dir": tmp_path, **roots}
    run_until_killed(job_until_block, database_url, "test/9", settings, job.id)
    releases.release_job(sessions, store, job.id, "test/9")

    undisturbed.run(job.id)

    assert pruned(sessions, job) == pruned(sessions, whole)
    with sessions() as session:
        resumed = [
            event for event in EventRepository(session).events(job.id) if event.kind == "resumed"
        ]
        assert [block.index for block in EventRepository(session).block_reports(job.id)] == [
            0,
            1,
            2,
        ]
        [report] = [
            one for one in ArtifactRepository(session).of_job(job.id) if one.name == "report.json"
        ]
    assert [(event.attempt, event.data) for event in resumed] == [(2, {"resumed_from_block": 2})]
    assert json.loads(store.open(report).content())["resumed_from_block"] == 2
    assert not list((tmp_path / "artifacts").rglob(".progress"))
    assert store.staged_jobs() == []


def test_a_retry_resumes_from_the_last_block_before_the_cancel(
    sessions: Sessions,
    store: ArtifactStore,
    runner: Callable[..., Runner],
    inputs: Path,
) -> None:
    spec = make_spec(model="local:dense", dataset="local:rows.jsonl", method="wanda")
    whole, job = make_job(sessions, spec=spec), make_job(sessions, spec=spec)
    roots = {"model_roots": (inputs,), "dataset_roots": (inputs,)}
    runner(prune, **roots).run(whole.id)

    def cancel() -> None:
        with sessions.begin() as session:
            JobCommands(session).cancel(job.id)

    runner(after_block(1, cancel, prune), **roots).run(job.id)
    assert read(sessions, job.id).status is JobState.cancelled
    assert store.staged_jobs() == [job.id]

    with sessions.begin() as session:
        JobCommands(session).retry(job.id)
    runner(prune, **roots).run(job.id)

    assert pruned(sessions, job) == pruned(sessions, whole)
    with sessions() as session:
        events = EventRepository(session).events(job.id)
    assert [one.data for one in events if one.kind == "resumed"] == [{"resumed_from_block": 2}]
    assert store.staged_jobs() == []


@pytest.mark.usefixtures("small_steps")
def test_a_job_whose_child_was_killed_in_its_recovery_continues_it_with_the_same_bytes(
    sessions: Sessions,
    store: ArtifactStore,
    runner: Callable[..., Runner],
    database_url: str,
    inputs: Path,
    tmp_path: Path,
) -> None:
    recover = {"kind": "masked", "tokens": 3 * STEP_TOKENS}
    spec = make_spec(model="local:dense", dataset="local:rows.jsonl", samples=16, recover=recover)
    whole, job = make_job(sessions, spec=spec), make_job(sessions, spec=spec)
    roots = {"model_roots": (inputs,), "dataset_roots": (inputs,)}
    undisturbed = runner(prune, **roots)
    undisturbed.run(whole.id)
    settings = {"data_dir": tmp_path, **roots}
    run_until_killed(job_until_step, database_url, "test/9", settings, job.id, 1)
    releases.release_job(sessions, store, job.id, "test/9")

    undisturbed.run(job.id)

    assert pruned(sessions, job) == pruned(sessions, whole)
    ended, other = (read(sessions, one.id).result or {} for one in (job, whole))
    assert ended["pruned_perplexity"] == other["pruned_perplexity"]
    with sessions() as session:
        events = EventRepository(session).events(job.id)
    resumed = [event.data for event in events if event.kind == "resumed"]
    assert resumed == [{"resumed_from_block": 3}, {"resumed_from_step": 1}]
    assert not [path for path in (tmp_path / "artifacts").rglob(".*") if path.is_dir()]
    assert store.staged_jobs() == []
