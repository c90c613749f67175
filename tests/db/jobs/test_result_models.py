"""Results of jobs as models of others: which can be, and how long they stay; on both databases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from db.core.errors import ResultInUseError, SpecRefusedError
from db.core.retention_rules import RetentionRule, retention_plan
from db.core.session import Sessions
from db.core.states import FINAL, JobState
from db.files.artifact_store import ArtifactStore
from db.files.file_store import FileStore
from db.files.retention import FileRetention
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.jobs.result_models import ResultModelRepository
from db.jobs.trials import TrialRepository
from db.spec.generation import TrialRequest
from db.spec.quality_gate import Verdict
from db.tables.artifacts import Artifact
from db.tables.jobs import Job
from tests.api.work import finish, finish_job
from tests.factories import make_job, make_spec

SEARCH = {"unit_probabilities.json": b"{}"}
PGP = make_spec(method="pgp", ratio=0.3, sparsity=0.0)
FILES = {"config.json": b"{}", "model.safetensors": b"1234", "report.json": b"{}"}
UNKNOWN = "job_" + "0" * 32


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FileStore(tmp_path / "artifacts")


@pytest.fixture
def first(sessions: Sessions, store: ArtifactStore) -> Job:
    """A job with a result and the end of a search."""
    return finish_job(sessions, store, FILES | SEARCH, spec=PGP)


def start(sessions: Sessions, job_id: str, **overrides: Any) -> Job:
    """Add a job that starts from the result of another one."""
    return make_job(sessions, make_spec(model=f"job:{job_id}"), **overrides)


def start_search(sessions: Sessions, job_id: str) -> Job:
    """Add a job whose search starts from that of another one."""
    search = {"search_start": f"job:{job_id}"}
    return make_job(sessions, make_spec(method="pgp", ratio=0.3, sparsity=0.0, **search))


def change(sessions: Sessions, job_id: str, **values: Any) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def change_files(sessions: Sessions, job_id: str, **values: Any) -> None:
    with sessions.begin() as session:
        session.execute(update(Artifact).where(Artifact.job_id == job_id).values(**values))


def test_a_job_knows_all_jobs_that_its_model_came_through(
    sessions: Sessions, store: ArtifactStore, first: Job
) -> None:
    second = finish(sessions, store, start(sessions, first.id).id, FILES)
    third = start(sessions, second.id)
    assert first.lineage is None
    assert second.model_job_id == first.id
    assert third.lineage == {"model": "org/model", "jobs": [second.id, first.id]}
    with sessions() as session:
        found = ResultModelRepository(session).find(f"job:{second.id}")
    assert found is not None
    assert sorted(found.files) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("changes", "file_changes", "code", "reason"),
    [
        ({"status": JobState.running}, {}, "result_unfinished", "is running"),
        ({"status": JobState.failed}, {}, "result_failed", "is failed, so it has no result"),
        ({"spec": make_spec()}, {}, "no_search", "made no search: its method is zpruner"),
        ({"method": "trial"}, {}, "result_not_found", "there is no such job"),
        ({}, {"deleted_by": "old"}, "result_gone", "the retention rule old deleted its unit_pro"),
        ({}, {"damage": "torn"}, "result_gone", r"its unit_probabilities\.json is damaged: torn"),
    ],
)
def test_a_job_without_a_readable_search_cannot_be_the_start_of_another(
    changes: dict[str, Any],
    file_changes: dict[str, Any],
    code: str,
    reason: str,
    sessions: Sessions,
    store: ArtifactStore,
) -> None:
    searched = finish_job(sessions, store, SEARCH, spec=PGP)
    if changes:
        change(sessions, searched.id, **changes)
    if file_changes:
        change_files(sessions, searched.id, **file_changes)
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        start_search(sessions, searched.id)
    assert (refused.value.field, refused.value.code) == ("search_start", code)
    assert refused.value.remedy


def test_the_end_of_a_search_can_be_used_after_a_failed_gate_and_is_no_part_of_the_model(
    sessions: Sessions, store: ArtifactStore
) -> None:
    searched = finish_job(sessions, store, FILES | SEARCH, spec=PGP)
    with sessions() as session:
        found = ResultModelRepository(session).find(f"job:{searched.id}")
    assert found is not None
    assert sorted(found.files) == ["config.json", "model.safetensors"]
    change(sessions, searched.id, verdict=Verdict.failed)
    assert start_search(sessions, searched.id).search_job_id == searched.id


@pytest.mark.parametrize(
    ("changes", "file_changes", "code", "reason"),
    [
        ({"status": JobState.running}, {}, "result_unfinished", "is running"),
        ({"status": JobState.failed}, {}, "result_failed", "is failed, so it has no result"),
        ({"verdict": Verdict.failed}, {}, "result_failed", "out of the bounds of its gate"),
        ({"spec": make_spec(quantize="w4a16")}, {}, "quantized", "has quantised its weights"),
        ({"method": "trial"}, {}, "result_not_found", "there is no such job"),
        ({}, {"deleted_by": "old"}, "result_gone", "the retention rule old deleted its config"),
        ({}, {"damage": "torn"}, "result_gone", "its config.json is damaged: torn"),
    ],
)
def test_a_job_without_a_usable_result_cannot_be_the_model_of_another(
    changes: dict[str, Any],
    file_changes: dict[str, Any],
    code: str,
    reason: str,
    sessions: Sessions,
    first: Job,
) -> None:
    if changes:
        change(sessions, first.id, **changes)
    if file_changes:
        change_files(sessions, first.id, **file_changes)
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        start(sessions, first.id)
    assert (refused.value.field, refused.value.code) == ("model", code)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("name", "code"), [(f"job:{UNKNOWN}", "result_not_found"), ("job:mine", "invalid_name")]
)
@pytest.mark.parametrize("field", ["model", "search_start"])
def test_an_unknown_job_cannot_be_the_model_or_the_start_of_another(
    field: str, name: str, code: str, sessions: Sessions
) -> None:
    with pytest.raises(SpecRefusedError) as refused:
        make_job(sessions, PGP.model_copy(update={field: name}))
    assert (refused.value.field, refused.value.code) == (field, code)


def test_a_job_of_an_earlier_version_has_no_search_to_start_from(
    sessions: Sessions, store: ArtifactStore
) -> None:
    searched = finish_job(sessions, store, FILES, spec=PGP)
    with pytest.raises(SpecRefusedError, match=r"it has no unit_probabilities\.json") as refused:
        start_search(sessions, searched.id)
    assert refused.value.code == "result_gone"


def test_a_service_starts_no_search_from_a_path(sessions: Sessions) -> None:
    with pytest.raises(SpecRefusedError, match="it is not the name of a job") as refused:
        make_job(sessions, PGP.model_copy(update={"search_start": "/etc"}))
    assert refused.value.field == "search_start"


def test_equal_results_of_two_jobs_are_one_model_for_a_job_that_is_reused(
    sessions: Sessions, store: ArtifactStore, first: Job
) -> None:
    again = finish_job(sessions, store, FILES | {"report.json": b'{"seconds": 2}'})
    other = finish_job(sessions, store, FILES | {"model.safetensors": b"5678"})
    done = finish(sessions, store, start(sessions, first.id).id, FILES)
    with sessions() as session:
        jobs = JobRepository(session)
        identical = {
            one.id: [found.id for found in jobs.identical(make_spec(model=f"job:{one.id}"))]
            for one in (first, again, other)
        }
    assert identical == {first.id: [done.id], again.id: [done.id], other.id: []}


def delete(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        JobCommands(session).delete(job_id)


@pytest.mark.parametrize("field", ["model", "search_start"])
def test_a_job_is_not_deleted_while_another_starts_from_its_result_or_search(
    field: str, sessions: Sessions, store: ArtifactStore
) -> None:
    first = finish_job(sessions, store, FILES | SEARCH, spec=PGP)
    user = (start if field == "model" else start_search)(sessions, first.id)
    with pytest.raises(ResultInUseError, match=user.id):
        delete(sessions, first.id)
    change(sessions, user.id, status=JobState.cancelled)
    delete(sessions, first.id)


def trial_of(sessions: Sessions, job: Job) -> Job:
    with sessions.begin() as session:
        return TrialRepository(session).add(job, TrialRequest(prompt="a"), 9)[1]


def started(sessions: Sessions, store: ArtifactStore, first: Job) -> Job:
    return start(sessions, first.id)


def tried(sessions: Sessions, store: ArtifactStore, first: Job) -> Job:
    """A trial of a finished job that started from the result."""
    return trial_of(sessions, finish(sessions, store, start(sessions, first.id).id, FILES))


def searched(sessions: Sessions, store: ArtifactStore, first: Job) -> Job:
    return start_search(sessions, first.id)


@pytest.mark.parametrize("use", [started, tried, searched])
def test_no_rule_deletes_a_result_while_a_job_that_starts_from_it_has_not_ended(
    use: Callable[[Sessions, ArtifactStore, Job], Job],
    sessions: Sessions,
    store: ArtifactStore,
    first: Job,
) -> None:
    def planned() -> list[str]:
        change(sessions, first.id, downloaded_at=None)
        with sessions() as session:
            retention = FileRetention(session)
            rules = [RetentionRule(name="none", max_jobs=0)]
            plan = retention_plan(retention.stored_jobs(), rules, retention.time())
        return [one.job.id for one in plan]

    user = use(sessions, store, first)
    assert first.id not in planned()
    for status in FINAL:
        change(sessions, user.id, status=status)
        assert first.id in planned()


def test_a_rule_that_waited_for_a_new_job_sees_that_the_result_is_used(
    sessions: Sessions, first: Job
) -> None:
    start(sessions, first.id, status=JobState.cancelled)
    with sessions() as session:
        assert JobRepository(session).get(first.id).downloaded_at is not None
