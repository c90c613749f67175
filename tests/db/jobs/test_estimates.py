from datetime import timedelta

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.errors import EstimateNotFoundError
from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.estimates import EstimateRepository
from db.tables.jobs import Estimate, Job
from tests.factories import make_job, make_problem, make_spec


def ask(sessions: Sessions, sparsity: float = 0.5) -> Estimate:
    with sessions.begin() as session:
        return EstimateRepository(session).request(make_spec(sparsity=sparsity))


def age(sessions: Sessions, estimate: Estimate, field: str, by: timedelta) -> None:
    with sessions.begin() as session:
        mine = update(Estimate).where(Estimate.id == estimate.id)
        session.execute(mine.values({field: now(-by)}))


def test_the_same_job_is_estimated_once(sessions: Sessions) -> None:
    first, again, other = ask(sessions), ask(sessions), ask(sessions, 0.6)
    assert first.id == again.id != other.id
    with sessions.begin() as session:
        EstimateRepository(session).complete(first.id, {"fits": True})
    assert ask(sessions).answer == {"fits": True}


def test_a_result_is_reused_for_minutes_and_an_error_for_seconds(sessions: Sessions) -> None:
    answered, refused = ask(sessions), ask(sessions, 0.6)
    with sessions.begin() as session:
        estimates = EstimateRepository(session)
        estimates.complete(answered.id, {"fits": True})
        estimates.fail(refused.id, make_problem())
    assert (ask(sessions).id, ask(sessions, 0.6).id) == (answered.id, refused.id)
    age(sessions, answered, "finished_at", timedelta(minutes=6))
    age(sessions, refused, "finished_at", timedelta(seconds=20))
    assert ask(sessions).id != answered.id
    assert ask(sessions, 0.6).id != refused.id


def test_each_estimate_is_claimed_once_the_oldest_first(sessions: Sessions) -> None:
    first, second = ask(sessions, 0.1), ask(sessions, 0.2)
    with sessions.begin() as session:
        estimates = EstimateRepository(session)
        assert estimates.has_pending()
        taken = [estimates.claim_next() for _ in range(3)]
        assert [one and one.id for one in taken] == [first.id, second.id, None]
        assert (estimates.has_pending(), estimates.has_unfinished()) == (False, True)


def test_an_overdue_estimate_fails_and_a_late_result_is_ignored(sessions: Sessions) -> None:
    estimate = ask(sessions)
    with sessions.begin() as session:
        estimates = EstimateRepository(session)
        estimates.claim_next()
        assert not estimates.fail_overdue()
    age(sessions, estimate, "started_at", timedelta(seconds=61))
    with sessions.begin() as session:
        estimates = EstimateRepository(session)
        assert estimates.fail_overdue()
        estimates.complete(estimate.id, {"fits": True})
        read = estimates.get(estimate.id)
        assert read.error is not None
        assert (read.answer, read.error["code"]) == (None, "estimate_overdue")
        assert not estimates.has_unfinished()


@pytest.mark.parametrize(
    ("model", "hint"),
    [("org/model", "Most often the hub is slow"), ("local:model", "The machine is busy")],
)
def test_the_hub_is_named_only_if_the_model_is_on_it(
    sessions: Sessions, model: str, hint: str
) -> None:
    with sessions.begin() as session:
        estimate = EstimateRepository(session).request(make_spec(model=model))
        EstimateRepository(session).claim_next()
    age(sessions, estimate, "started_at", timedelta(seconds=61))
    with sessions.begin() as session:
        EstimateRepository(session).fail_overdue()
        error = EstimateRepository(session).get(estimate.id).error
    assert error is not None
    assert error["hint"].startswith(hint)
    assert ("hub" in error["hint"]) is (model == "org/model")


def test_finished_jobs_give_their_predicted_and_their_measured_time(sessions: Sessions) -> None:
    took = {"prune_seconds": 8.0, "evaluate_seconds": 2.0, "predicted_seconds": 5.0}
    succeeded = JobState.succeeded
    make_job(sessions, status=succeeded, result=took | {"recovery": {"seconds": 15.0}})
    make_job(sessions, status=succeeded, result=took | {"predicted_seconds": None})
    make_job(sessions, status=succeeded, result=took | {"predicted_seconds": 20.0})
    make_job(sessions, status=succeeded, result={})
    make_job(sessions, status=JobState.failed, result=took)
    with sessions() as session:
        found = EstimateRepository(session).timed_jobs()
    assert [(job.predicted_s, job.seconds, job.ratio) for job in found] == [
        (20.0, 10.0, 0.5),
        (5.0, 25.0, 5.0),
    ]


def test_the_time_in_which_a_job_waited_for_a_processor_does_not_count(sessions: Sessions) -> None:
    took = {"prune_seconds": 8.0, "evaluate_seconds": 2.0, "predicted_seconds": 5.0}
    make_job(sessions, status=JobState.succeeded, result=took | {"waiting_share": 0.75})
    with sessions() as session:
        assert [job.seconds for job in EstimateRepository(session).timed_jobs()] == [2.5]


def test_running_jobs_are_counted(sessions: Sessions) -> None:
    for status in (JobState.running, JobState.running, JobState.queued, JobState.succeeded):
        make_job(sessions, status=status)
    with sessions() as session:
        assert EstimateRepository(session).running_jobs() == 2


def test_estimates_of_yesterday_are_deleted(sessions: Sessions) -> None:
    estimate = ask(sessions)
    age(sessions, estimate, "created_at", timedelta(hours=25))
    with sessions.begin() as session:
        EstimateRepository(session).fail_overdue()
    with sessions() as session, pytest.raises(EstimateNotFoundError):
        EstimateRepository(session).get(estimate.id)


def test_a_job_knows_what_its_plan_needs_before_and_after_it_was_made(sessions: Sessions) -> None:
    early, estimate = make_job(sessions), ask(sessions)
    answer = {"memory": {"device_bytes": 0, "host_bytes": 30}}
    with sessions.begin() as session:
        EstimateRepository(session).complete(estimate.id, answer)
    late, other = make_job(sessions), make_job(sessions, make_spec(sparsity=0.6))
    with sessions() as session:
        rows = [session.get_one(Job, job.id) for job in (early, late, other)]
        assert [row.planned_memory_bytes for row in rows] == [30, 30, None]
