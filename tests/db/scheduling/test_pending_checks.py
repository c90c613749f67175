"""A new job waits for the planner, if that was asked; it fails if the planner refuses it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState
from db.files.file_store import FileStore
from db.jobs.estimates import EstimateRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.pending_checks import LONGEST, CheckRepository
from db.scheduling.queues import QueueRepository
from db.tables.jobs import Estimate, Job, JobEvent
from tests.api.work import finish_job
from tests.factories import make_job, make_problem, make_spec


def ask(sessions: Sessions, **fields: object) -> str:
    with sessions.begin() as session:
        return EstimateRepository(session).request(make_spec(**fields)).id


def runnable(sessions: Sessions) -> dict[str, int]:
    with sessions() as session:
        return QueueRepository(session).runnable_counts()


def test_only_the_job_that_the_planner_was_asked_about_waits(sessions: Sessions) -> None:
    job, other = make_job(sessions), make_job(sessions, spec=make_spec(sparsity=0.7))
    asked = ask(sessions)
    with sessions() as session:
        queues = QueueRepository(session)
        assert [queues.queue_of(one.id) for one in (job, other)] == [None, "gpu"]
    assert runnable(sessions) == {"gpu": 1}
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "gpu@test") is None
        EstimateRepository(session).complete(asked, {"fits": True})
    assert runnable(sessions) == {"gpu": 2}
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "gpu@test") is not None


def test_a_job_that_starts_from_a_result_waits_as_well_and_is_refused(
    sessions: Sessions, tmp_path: Path
) -> None:
    first = finish_job(sessions, FileStore(tmp_path), {"model.safetensors": b"1234"})
    fields = {"model": f"job:{first.id}", "quantize": "w4a16"}
    price: dict[str, Any] = {"hourly_price": 4.0, "currency": "EUR"}
    bounded = price | {"max_cost": 1.0, "likely_cost": 1.0}
    asked = ask(sessions, **fields)
    costly, job = (make_job(sessions, make_spec(**fields), **values) for values in (bounded, price))
    assert runnable(sessions) == {}
    answer = {"seconds": {"p50": 3600, "p90": 7200}, "memory": {"device_bytes": 5}}
    with sessions.begin() as session:
        EstimateRepository(session).complete(asked, answer)
    with sessions() as session:
        assert session.get_one(Job, costly.id).status == JobState.failed
        assert session.get_one(Job, job.id).planned_memory_bytes == 5
    assert make_job(sessions, make_spec(**fields)).planned_memory_bytes == 5


def test_a_job_waits_for_minutes_at_most(sessions: Sessions) -> None:
    make_job(sessions)
    asked = ask(sessions)
    with sessions.begin() as session:
        mine = update(Estimate).where(Estimate.id == asked)
        session.execute(mine.values(created_at=now(-LONGEST - timedelta(seconds=1))))
    assert runnable(sessions) == {"gpu": 1}


def test_a_job_that_has_started_before_does_not_wait(sessions: Sessions) -> None:
    make_job(sessions, attempt=1)
    ask(sessions)
    assert runnable(sessions) == {"gpu": 1}


@pytest.mark.parametrize(
    ("status", "retryable", "failed"), [(422, False, True), (503, True, False), (429, True, False)]
)
def test_a_refusal_fails_the_waiting_jobs_unless_it_may_pass(
    sessions: Sessions, status: int, retryable: bool, failed: bool
) -> None:
    job, other = make_job(sessions), make_job(sessions, spec=make_spec(sparsity=0.7))
    asked = ask(sessions)
    problem = make_problem(status=status, retryable=retryable)
    with sessions.begin() as session:
        EstimateRepository(session).fail(asked, problem)
    with sessions() as session:
        found, untouched = (session.get_one(Job, one.id) for one in (job, other))
        reasons = [one.data.get("reason") for one in session.scalars(select(JobEvent))]
    assert found.status == (JobState.failed if failed else JobState.queued)
    assert (found.error == problem.model_dump(mode="json")) is failed
    assert ("refused" in reasons) is failed
    assert untouched.status == JobState.queued


def test_a_job_that_is_added_after_the_refusal_fails_as_well(sessions: Sessions) -> None:
    asked = ask(sessions)
    with sessions.begin() as session:
        EstimateRepository(session).fail(asked, make_problem(status=422))
    job = make_job(sessions)
    with sessions.begin() as session:
        found = CheckRepository(session).refuse_if_known(session.get_one(Job, job.id))
        assert found.status == JobState.failed


def test_a_refusal_for_the_secret_of_one_key_fails_only_its_jobs(sessions: Sessions) -> None:
    spec = make_spec(model_secret="hf")
    ours, theirs = (make_job(sessions, spec=spec, created_by=key) for key in ("key_1", "key_2"))
    with sessions.begin() as session:
        asked = EstimateRepository(session).request(spec, "key_1").id
        EstimateRepository(session).fail(asked, make_problem(status=422))
    with sessions() as session:
        states = [session.get_one(Job, one.id).status for one in (ours, theirs)]
    assert states == [JobState.failed, JobState.queued]
