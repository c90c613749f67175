"""What is kept of the last day of workers and queues."""

from datetime import timedelta

from sqlalchemy import select

from db.core.session import Sessions
from db.scheduling.claims import ClaimRepository
from db.scheduling.samples import SampleRepository
from db.scheduling.workers import WorkerRepository
from db.tables.samples import QueueSample, WorkerSample
from tests.db.scheduling.workers import appear, silent_for
from tests.factories import make_job


def record(sessions: Sessions) -> None:
    with sessions.begin() as session:
        SampleRepository(session).record()


def test_a_minute_has_one_row_of_each_worker_and_queue(sessions: Sessions) -> None:
    appear(sessions, "a", "b", "lost")
    silent_for(sessions, "lost", timedelta(minutes=2))
    jobs = [make_job(sessions) for _ in range(3)]
    record(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(jobs[0].id, "a/1", worker_id="wrk_a")
        WorkerRepository(session).set_job("wrk_a", jobs[0].id)
        WorkerRepository(session).heartbeat("wrk_a", load=0.75)
    record(sessions)

    with sessions() as session:
        rows = session.scalars(select(WorkerSample)).all()
        samples = SampleRepository(session)
        workers, queues = samples.workers(), samples.queues()
    assert len(rows) <= 4  # two, unless a minute began in between
    assert sum(one.samples for one in rows if one.worker == "a") == 2
    assert sum(one.busy for one in rows if one.worker == "a") == 1
    assert workers.keys() == {"a", "b"}
    assert max(point.load or 0 for point in workers["a"]) == 0.75
    assert all(point.busy == 0 for point in workers["b"])
    assert max(point.queued for point in queues["gpu"]) == 3
    assert max(point.running for point in queues["gpu"]) == 1


def test_steps_of_ten_minutes_have_the_share_of_their_samples_and_a_day_is_kept(
    sessions: Sessions,
) -> None:
    appear(sessions, "a")
    record(sessions)
    with sessions.begin() as session:
        (minute,) = session.scalars(select(WorkerSample.minute))
        first = minute - minute % 10 - 30  # of a step half an hour ago
        for offset in range(10):
            busy = 6 if offset < 4 else 0
            session.add(WorkerSample(worker="a", minute=first + offset, samples=6, busy=busy))
        for age in (1441, 2000):
            session.add(WorkerSample(worker="a", minute=minute - age, samples=1, busy=1))
            session.add(QueueSample(queue="old", minute=minute - age, queued=1, running=1))
    record(sessions)

    with sessions() as session:
        samples = SampleRepository(session)
        point = samples.workers()["a"][0]
        assert samples.queues().keys() == {"gpu"}
        assert (point.at.timestamp() // 60, point.busy) == (first, 0.4)
