"""Uploaded datasets, with other processes at work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from db.core.errors import DatasetInUseError, DatasetNotFoundError, JobError, SpecRefusedError
from db.core.session import Sessions
from db.core.states import FINAL, JobState
from db.files.datasets import DatasetRepository
from db.jobs.repository import JobRepository, NewJob
from db.tables.datasets import Dataset
from db.tables.jobs import Job
from tests.factories import make_job, make_spec

RACES = 20


def make(sessions: Sessions, sha256: str = "a" * 64) -> Dataset:
    with sessions.begin() as session:
        return DatasetRepository(session).add(
            Dataset(size_bytes=1, sha256=sha256, media_type="text/plain")
        )


def at_once(*verbs: Callable[[], Any]) -> list[Any]:
    def run(verb: Callable[[], Any]) -> Any:
        try:
            return verb()
        except JobError as error:
            return error

    with ThreadPoolExecutor(len(verbs)) as pool:
        return list(pool.map(run, verbs))


def test_concurrent_uploads_of_the_same_bytes_are_one_row(sessions: Sessions) -> None:
    for number in range(RACES):
        digest = f"{number:064}"
        made = at_once(*[lambda digest=digest: make(sessions, digest)] * 4)
        assert len({one.id for one in made}) == 1
    with sessions() as session:
        assert len(DatasetRepository(session).all()) == RACES


@pytest.mark.parametrize(
    "field", ["dataset", "eval_dataset", "eval_texts", "tasks", "rank_answers", "vocabulary"]
)
def test_only_jobs_that_have_not_ended_keep_a_dataset(sessions: Sessions, field: str) -> None:
    for state in JobState:
        dataset = make(sessions)
        make_job(sessions)
        named: dict[str, Any] = {
            "eval_texts": ["c4", dataset.reference],
            "tasks": ["boolq", dataset.reference],
            "rank_answers": {"dataset": dataset.reference},
            "vocabulary": {"dataset": dataset.reference},
        }
        spec = make_spec(**{field: named.get(field, dataset.reference)})
        job = make_job(sessions, spec, status=state)
        with sessions.begin() as session:
            datasets = DatasetRepository(session)
            if state in FINAL:
                datasets.delete(dataset.id)
                with pytest.raises(DatasetNotFoundError):
                    datasets.get(dataset.id)
            else:
                with pytest.raises(DatasetInUseError, match=job.id):
                    datasets.delete(dataset.id)
                session.delete(session.get_one(Job, job.id))


def test_a_deletion_races_a_job_that_names_the_dataset_and_one_of_them_is_refused(
    sessions: Sessions,
) -> None:
    def add(spec: Any) -> Job:
        with sessions.begin() as session:
            return JobRepository(session).add(NewJob(spec))

    def delete(dataset_id: str) -> None:
        with sessions.begin() as session:
            DatasetRepository(session).delete(dataset_id)

    for number in range(RACES):
        dataset = make(sessions, f"{number:064}")
        spec = make_spec(dataset=dataset.reference)
        job, deleted = at_once(
            lambda spec=spec: add(spec),  # type: ignore[misc] # a lambda's default
            lambda dataset=dataset: delete(dataset.id),  # type: ignore[misc] # a lambda's default
        )
        if isinstance(job, Job):
            assert isinstance(deleted, DatasetInUseError)
        else:
            assert isinstance(job, SpecRefusedError)
            assert deleted is None
