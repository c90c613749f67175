"""Trials: jobs of their own, which nothing that lists or counts jobs shows, on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import select

from db.access.keys import Quotas
from db.core.access_errors import QuotaExceededError
from db.core.errors import JobNotFoundError, NoTrialsError, TooManyTrialsError
from db.core.retention_rules import RetentionRule, retention_plan
from db.core.session import Sessions
from db.core.sort_key import SortMetric
from db.core.states import JobState
from db.events.event_order import order_events
from db.files.artifact_store import ArtifactStore
from db.files.file_store import FileStore
from db.files.retention import FileRetention
from db.jobs.commands import JobCommands
from db.jobs.estimates import EstimateRepository
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository
from db.jobs.trials import TrialRepository, trial_spec
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.spec.combination import check_combination
from db.spec.trials import TrialRequest
from db.tables.jobs import Job
from db.tables.past_attempts import PastAttempt
from db.webhooks.fanout import fan_out
from tests.api.work import finish_job
from tests.factories import make_job, make_key, make_spec, make_webhook

REQUEST = TrialRequest(prompt="Once upon a time", max_tokens=8, seed=2**63 - 1)
ANSWER = {"dense": "a", "pruned": "b"}
TIMES = {"prune_seconds": 1.0, "evaluate_seconds": 1.0, "predicted_seconds": 1.0}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FileStore(tmp_path / "artifacts")


@pytest.fixture
def tried(sessions: Sessions, store: ArtifactStore) -> Job:
    return finish_job(sessions, store)


def add(sessions: Sessions, tried: Job, most: int = 9, key_id: str | None = None) -> str:
    with sessions.begin() as session:
        return TrialRepository(session).add(tried, REQUEST, most, created_by=key_id)[1].id


def claim(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job_id, "gpu@test") is not None


def answer(sessions: Sessions, job_id: str) -> None:
    claim(sessions, job_id)
    with sessions.begin() as session:
        LeaseRepository(session).succeed(job_id, 1, ANSWER, [])


def test_a_trial_is_the_next_job_of_its_queue_and_ends_with_its_answer(
    sessions: Sessions, tried: Job
) -> None:
    urgent = make_job(sessions, priority=10)
    trial_id = add(sessions, tried)
    with sessions.begin() as session:
        queues = QueueRepository(session)
        assert queues.next_job(["gpu"]) == trial_id
        assert [
            queues.position(JobRepository(session).get(one)) for one in (trial_id, urgent.id)
        ] == [1, 2]
    answer(sessions, trial_id)
    with sessions() as session:
        [(trial, job)] = TrialRepository(session).page(tried.id, limit=9, after=None)
    assert (trial.prompt, trial.max_tokens, trial.seed) == ("Once upon a time", 8, 2**63 - 1)
    assert (trial.tried_id, job.status, job.result) == (tried.id, JobState.succeeded, ANSWER)


def test_trials_are_listed_newest_first_page_by_page(sessions: Sessions, tried: Job) -> None:
    added = [add(sessions, tried) for _ in range(3)]
    with sessions() as session:
        trials = TrialRepository(session)
        first = [job.id for _, job in trials.page(tried.id, limit=2, after=None)]
        rest = [job.id for _, job in trials.page(tried.id, limit=2, after=first[-1])]
    assert first + rest == added[::-1]


def test_no_list_count_search_webhook_or_reuse_finds_a_trial(
    sessions: Sessions, tried: Job
) -> None:
    order_events(sessions)
    make_webhook(sessions)
    trial_id = add(sessions, tried)
    answer(sessions, trial_id)
    order_events(sessions)
    with sessions() as session:
        jobs = JobRepository(session)
        for wanted in (
            JobFilter(),
            JobFilter(statuses=(JobState.succeeded,)),
            JobFilter(statuses=(JobState.succeeded, JobState.queued)),
            JobFilter(text=trial_id),
            JobFilter(model="org/model"),
        ):
            assert trial_id not in [one.id for one in jobs.page(wanted)]
            assert trial_id not in [one.id for one in jobs.sorted_page(SortMetric.seconds, wanted)]
        assert jobs.facets().status == {JobState.succeeded: 1}
        assert jobs.facets(JobFilter(model="org/model")).method == {"zpruner": 1}
        assert jobs.identical(trial_spec(tried.spec)) == []
    assert fan_out(sessions) == 0


def test_predictions_are_corrected_by_jobs_that_prune_alone(sessions: Sessions) -> None:
    job = make_job(sessions)
    claim(sessions, job.id)
    with sessions.begin() as session:
        tried = LeaseRepository(session).succeed(job.id, 1, TIMES, [])
    for _ in range(51):
        answer(sessions, add(sessions, tried))
    with sessions() as session:
        assert [job.ratio for job in EstimateRepository(session).timed_jobs()] == [2.0]


def test_a_key_has_a_limited_number_of_unfinished_trials(sessions: Sessions, tried: Job) -> None:
    key, other = make_key(sessions)[0].id, make_key(sessions)[0].id
    first = add(sessions, tried, 2, key)
    add(sessions, tried, 2, key)
    with pytest.raises(TooManyTrialsError, match="2 trials have not ended"):
        add(sessions, tried, 2, key)
    add(sessions, tried, 2, other)
    add(sessions, tried, 2)
    with sessions.begin() as session:
        JobCommands(session).cancel(first)
    assert add(sessions, tried, 2, key)
    with pytest.raises(NoTrialsError):
        add(sessions, tried, 0, key)


def test_a_trial_counts_towards_the_quotas_of_its_key(sessions: Sessions, tried: Job) -> None:
    key = make_key(sessions, quotas=Quotas(jobs_in_flight=1))[0].id
    add(sessions, tried, 9, key)
    with pytest.raises(QuotaExceededError, match="jobs_in_flight"):
        add(sessions, tried, 9, key)


def test_a_job_that_is_tried_keeps_its_files_until_the_trial_has_ended(
    sessions: Sessions, tried: Job
) -> None:
    rule = RetentionRule(name="none", max_jobs=0)

    def planned() -> list[str]:
        with sessions() as session:
            retention = FileRetention(session)
            plan = retention_plan(retention.stored_jobs(), [rule], retention.time())
        return [one.job.id for one in plan]

    assert planned() == [tried.id]
    trial_id = add(sessions, tried)
    assert planned() == []
    answer(sessions, trial_id)
    assert planned() == [tried.id]


def test_a_deleted_job_takes_its_trials_with_it(sessions: Sessions, tried: Job) -> None:
    trial_id, other = add(sessions, tried), make_job(sessions)
    claim(sessions, trial_id)
    with sessions.begin() as session:
        JobCommands(session).delete(tried.id)
    with sessions() as session:
        assert TrialRepository(session).get(trial_id) is None
        with pytest.raises(JobNotFoundError):
            JobRepository(session).get(trial_id)
        assert JobRepository(session).get(other.id).id == other.id
        assert set(session.scalars(select(PastAttempt.job_id))) == {tried.id, trial_id}


def test_the_specification_of_a_trial_has_the_model_and_prunes_nothing() -> None:
    options = {"revision": "main", "model_secret": "hf", "dtype": "float32", "recover": "masked"}
    spec = trial_spec(make_spec(pattern="2:4", **options))
    check_combination(spec)
    assert (spec.model, spec.revision, spec.model_secret) == ("org/model", "main", "hf")
    assert (spec.dtype, spec.method, spec.recover, spec.samples) == ("float32", "none", None, 1)
