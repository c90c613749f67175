import pytest
from sqlalchemy.exc import StatementError

from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_events import IDS_AT_ONCE, EventRepository
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.spec.catalogue import METHODS
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.allocations import AllocationName
from db.spec.pruning.methods import MethodName, SolverName
from tests.factories import make_job, make_spec


def test_a_new_job_is_queued_and_waits_in_the_outbox(sessions: Sessions) -> None:
    with sessions.begin() as session:
        job = JobRepository(session).add(NewJob(make_spec(), name="first", labels={"team": "nlp"}))
    with sessions() as session:
        read = JobRepository(session).get(job.id)
        assert (read.status, read.attempt, read.crashes) == (JobState.queued, 0, 0)
        assert (read.name, read.labels, read.version) == ("first", {"team": "nlp"}, 1)
        assert read.created_at.tzinfo is not None
        assert RecoveryRepository(session).unpushed(10) == [job.id]
        assert [event.kind for event in EventRepository(session).events(job.id)] == ["status"]


def test_a_specification_is_stored_unchanged(sessions: Sessions) -> None:
    spec = make_spec(samples=16, seq_len=512, eval_dataset="ptb", seed=2**63 - 1)
    with sessions.begin() as session:
        job = JobRepository(session).add(NewJob(spec))
    with sessions() as session:
        read = JobRepository(session).get(job.id).spec
    assert isinstance(read, PruneSpec)
    assert read == spec


def test_ids_sort_by_time(sessions: Sessions) -> None:
    ids = [make_job(sessions).id for _ in range(5)]
    assert ids == sorted(ids)
    assert all(one.startswith("job_") and len(one) == 36 for one in ids)


def test_the_newest_events_of_more_jobs_than_fit_one_statement_are_found(
    sessions: Sessions,
) -> None:
    one, other = make_job(sessions), make_job(sessions, status=JobState.running, attempt=1)
    with sessions.begin() as session:
        LeaseRepository(session).report_progress(other.id, 1, block=(0, 2, "layers.0"))
    unknown = [f"job_{index}" for index in range(IDS_AT_ONCE)]
    with sessions() as session:
        newest = EventRepository(session).newest_events([one.id, *unknown, other.id])
    assert newest == {one.id: 1, other.id: 2}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_allow_is_never_stored(
    value: float, sessions: Sessions
) -> None:
    job = make_job(sessions, status=JobState.running, attempt=1)
    with pytest.raises((StatementError, ValueError), match="JSON"), sessions.begin() as session:
        LeaseRepository(session).succeed(job.id, 1, {"pruned_perplexity": value}, [])
    with sessions() as session:
        assert JobRepository(session).get(job.id).status is JobState.running


def test_every_method_a_job_may_name_is_described() -> None:
    named = {*MethodName, *SolverName, *AllocationName} - {AllocationName.uniform}
    assert {method.name for method in METHODS} == named
    assert len(METHODS) == len(named)  # solvers that choose their own mask are named twice
    assert all(method.summary and method.when_to_use and method.cost for method in METHODS)
