"""A job starts from the result of another one: from links, or from copies out of a bucket."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.stores import open_store
from db.jobs.estimates import EstimateRepository
from db.jobs.repository import JobRepository
from db.jobs.trials import TrialRepository
from db.spec.generation import TrialRequest
from db.tables.artifacts import Artifact
from db.tables.jobs import Job
from tests.factories import make_job, make_spec
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.estimates.estimator import compute_next
from worker.settings import WorkerSettings

SMALL = {"samples": 2, "eval_samples": 2, "seq_len": 16, "dtype": "float32"}
TEXT = {"dataset": "local:text.txt"}


@pytest.fixture(params=["folder", "bucket"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> WorkerSettings:
    write_model_and_tokenizer(tmp_path / "model")
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 200)
    fields: dict[str, Any] = {"device": "cpu", "data_dir": tmp_path / "data"}
    if request.param == "bucket":
        fields["artifact_url"] = request.getfixturevalue("bucket_url")
    roots = dict.fromkeys(("model_roots", "dataset_roots"), (tmp_path,))
    return WorkerSettings.model_validate({"_env_file": None} | fields | roots)


@pytest.fixture
def store(settings: WorkerSettings) -> ArtifactStore:
    return open_store(settings)


@pytest.fixture
def run(sessions: Sessions, store: ArtifactStore, settings: WorkerSettings) -> Callable[..., Job]:
    """Return a function that adds a job, and runs it with the real engine."""
    runner = Runner(sessions, store, prune, settings, worker="test/1", exit_process=lambda: None)

    def run(**fields: Any) -> Job:
        job = make_job(sessions, make_spec(**SMALL | TEXT | {"model": "local:model"} | fields))
        runner.run(job.id)
        return read(sessions, job.id)

    return run


def read(sessions: Sessions, job_id: str) -> Job:
    with sessions() as session:
        return JobRepository(session).get(job_id)


def files(sessions: Sessions, job: Job) -> dict[str, Artifact]:
    assert job.status is JobState.succeeded, job.error
    with sessions() as session:
        return {one.name: one for one in ArtifactRepository(session).of_job(job.id)}


def content(sessions: Sessions, store: ArtifactStore, job: Job, name: str) -> Any:
    return json.loads(store.open(files(sessions, job)[name]).content())


def test_a_smaller_result_is_quantised_by_a_second_job_that_names_it(
    sessions: Sessions,
    store: ArtifactStore,
    run: Callable[..., Job],
    settings: WorkerSettings,
) -> None:
    first = run(method="neurons", ratio=0.2, sparsity=0.0)
    model = f"job:{first.id}"
    with sessions.begin() as session:
        spec = make_spec(**SMALL | TEXT, model=model, method="none", sparsity=0.0)
        estimate, _ = EstimateRepository(session).find_or_create(spec, None)
    assert compute_next(sessions, settings)
    with sessions() as session:
        planned = EstimateRepository(session).get(estimate.id)

    second = run(model=model, method="none", sparsity=0.0, quantize="w8a16")

    made, written = files(sessions, first), files(sessions, second)
    assert first.result is not None
    assert second.result is not None
    assert second.result["dense_perplexity"] == pytest.approx(first.result["pruned_perplexity"])
    assert second.result["parameters"] == first.result["parameters"]
    assert planned.error is None
    assert planned.answer is not None
    assert planned.answer["model"]["parameters"] == first.result["parameters"]
    config = content(sessions, store, second, "config.json")
    assert (
        config["intermediate_size"]
        == content(sessions, store, first, "config.json")["intermediate_size"]
    )
    assert config["quantization_config"]
    assert set(written) == set(made)
    definition = content(sessions, store, second, "provenance.json")["predicate"]["buildDefinition"]
    [origin, *inputs] = definition["resolvedDependencies"]
    assert origin == {
        "name": "model",
        "digest": {},
        "uri": model,
        "annotations": {
            "SHA256SUMS": made["SHA256SUMS"].sha256,
            "model": "local:model",
            "jobs": [first.id],
        },
    }
    digests = {one["name"]: one["digest"]["sha256"] for one in inputs}
    assert {name for name in digests if name.startswith("model/")} == {
        f"model/{name}"
        for name in made
        if name.endswith((".json", ".safetensors"))
        and name not in {"report.json", "provenance.json", "model.safetensors.index.json"}
    }
    for name, digest in digests.items():
        if name.startswith("model/"):
            assert digest == made[name.removeprefix("model/")].sha256
    card = store.open(written["README.md"]).content().decode()
    assert f"is the result of the job `{first.id}`" in card
    assert str(settings.data_dir) not in card
    assert store.staged_jobs() == []


def test_a_pruned_result_is_recovered_and_then_tried_against_the_model_it_started_from(
    sessions: Sessions, store: ArtifactStore, run: Callable[..., Job], settings: WorkerSettings
) -> None:
    first = run(method="magnitude")
    recover = {"kind": "masked", "tokens": 512}
    second = run(model=f"job:{first.id}", method="none", sparsity=0.0, recover=recover)
    assert first.result is not None
    assert second.result is not None
    assert second.result["zeros"] == first.result["zeros"]
    third = run(model=f"job:{second.id}", method="magnitude", sparsity=0.7)
    assert content(sessions, store, third, "report.json")["model"]["lineage"] == {
        "model": "local:model",
        "jobs": [second.id, first.id],
    }
    with sessions.begin() as session:
        request = TrialRequest(prompt="The quick", max_tokens=2)
        trial = TrialRepository(session).add(third, request, 9)[1]
    Runner(sessions, store, prune, settings, worker="test/1").run(trial.id)
    tried = read(sessions, trial.id)
    assert tried.status is JobState.succeeded, tried.error
    assert set(tried.result or {}) == {"dense", "pruned"}


def test_a_result_that_is_gone_when_the_job_starts_fails_it_with_the_remedy(
    sessions: Sessions, store: ArtifactStore, run: Callable[..., Job], settings: WorkerSettings
) -> None:
    first = run(method="magnitude")
    runner = Runner(sessions, store, prune, settings, worker="test/1")
    spec = make_spec(**SMALL | TEXT, model=f"job:{first.id}", method="none", sparsity=0.0)
    jobs = [make_job(sessions, spec) for _ in range(3)]

    config = files(sessions, first)["config.json"]
    with sessions.begin() as session:  # as if other bytes were at its place
        wrong = update(Artifact).where(Artifact.id == config.id).values(sha256="0" * 64)
        session.execute(wrong)
    runner.run(jobs[0].id)
    store.retract(first.id, 1)
    runner.run(jobs[1].id)
    with sessions.begin() as session:
        session.execute(update(Artifact).values(deleted_by="old"))
    runner.run(jobs[2].id)

    errors = [read(sessions, job.id).error or {} for job in jobs]
    assert [error["code"] for error in errors] == ["result_gone"] * 3
    assert "its config.json" in errors[0]["detail"]
    assert "is missing" in errors[1]["detail"]
    assert "the retention rule old deleted its config.json" in errors[2]["detail"]
    assert all(f"zpruner rerun {first.id}" in error["hint"] for error in errors)
    assert not any(error["retryable"] for error in errors)
