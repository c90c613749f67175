"""The end of an earlier search is read from the result of a job, or from a local folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.stores import open_store
from db.jobs.repository import JobRepository
from db.tables.artifacts import Artifact
from db.tables.jobs import Job
from tests.factories import make_job, make_spec
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.settings import WorkerSettings
from worker.sources.search_starts import local_start

FILE = "unit_probabilities.json"
SMALL = {"samples": 2, "eval_samples": 2, "seq_len": 16, "dtype": "float32", "sparsity": 0.0}
PGP = {"method": "pgp", "ratio": 0.3, "search_steps": 2}
SOURCES = {"model": "local:model", "dataset": "local:text.txt"}


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
    """Return a function that runs a job with the real engine, after it was added or changed."""
    runner = Runner(sessions, store, prune, settings, worker="test/1", exit_process=lambda: None)

    def run(change: Callable[[], object] = lambda: None, **fields: Any) -> Job:
        job = make_job(sessions, make_spec(**SMALL | SOURCES | PGP | fields))
        change()
        runner.run(job.id)
        with sessions() as session:
            return JobRepository(session).get(job.id)

    return run


def files(sessions: Sessions, job: Job) -> dict[str, Artifact]:
    assert job.status is JobState.succeeded, job.error
    with sessions() as session:
        return {one.name: one for one in ArtifactRepository(session).of_job(job.id)}


def test_a_job_starts_from_the_search_of_another_one_or_fails_with_the_remedy(
    sessions: Sessions, store: ArtifactStore, run: Callable[..., Job]
) -> None:
    first = run()
    second = run(search_start=f"job:{first.id}")
    kept, written = files(sessions, first)[FILE], files(sessions, second)
    statement = json.loads(store.open(written["provenance.json"]).content())
    inputs = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {
        "name": "search_start",
        "digest": {"sha256": kept.sha256},
        "annotations": {"search_start": f"job:{first.id}"},
    } in inputs

    def damage() -> None:
        with sessions.begin() as session:  # as if other bytes were at its place
            wrong = update(Artifact).where(Artifact.id == kept.id).values(sha256="0" * 64)
            session.execute(wrong)

    failed = [
        run(change, search_start=f"job:{first.id}")
        for change in (damage, lambda: store.retract(first.id, 1))
    ]
    for job, reason in zip(failed, ("is damaged", "is missing"), strict=True):
        error = job.error or {}
        assert (job.status, error["code"]) == (JobState.failed, "result_gone")
        assert f"its {FILE} {reason}" in error["detail"]
        assert f"zpruner rerun {first.id}" in error["hint"]


def test_a_local_search_is_the_file_in_a_folder_or_a_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}")
    of_folder, of_file = local_start(str(tmp_path)), local_start(f"local:{tmp_path / FILE}")
    assert of_folder.content == of_file.content == b"{}"
    assert (of_folder.name, of_file.name) == (f"local:{tmp_path.name}", f"local:{FILE}")


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("nowhere", "no_search", "nowhere cannot be read"),
        ("job:job_" + "0" * 32, "invalid_name", "only a service knows"),
    ],
)
def test_a_local_search_that_cannot_be_read_is_refused(name: str, code: str, reason: str) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        local_start(name)
    assert (refused.value.field, refused.value.code) == ("search_start", code)
    assert refused.value.remedy
