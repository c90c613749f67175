"""The one order of the events of all jobs."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete

from db.core.session import Sessions
from db.core.states import JobState
from db.events.event_order import EventOrder, order_events
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job, JobEvent
from tests.factories import make_job


def read(sessions: Sessions, after: int) -> list[tuple[str, int, int]]:
    order_events(sessions)
    with sessions() as session:
        events = EventOrder(session).events_after(after, 1000)
    return [(event.job_id, event.seq, event.position or 0) for event in events]


def newest(sessions: Sessions) -> int:
    order_events(sessions)
    with sessions() as session:
        return EventOrder(session).last_position()


def test_events_of_all_jobs_have_consecutive_positions(sessions: Sessions) -> None:
    start = newest(sessions)
    first, second = make_job(sessions).id, make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(first, "worker-1")
    events = read(sessions, start)
    # Events of two jobs in the same millisecond may be in either order.
    assert events[0][:2] == (first, 1)
    assert {(job, seq) for job, seq, _ in events[1:]} == {(second, 1), (first, 2)}
    assert [place for *_, place in events] == [start + 1, start + 2, start + 3]
    assert read(sessions, start + 2) == events[2:]


def test_events_of_several_jobs_are_ordered_by_time(sessions: Sessions) -> None:
    start = newest(sessions)
    job_ids = [make_job(sessions).id for _ in range(2)]
    later, earlier = sorted(job_ids)
    with sessions.begin() as session:
        session.get_one(JobEvent, (earlier, 1)).at -= timedelta(hours=1)

    assert [job_id for job_id, *_ in read(sessions, start)] == [earlier, later]


def test_a_clock_that_is_set_back_does_not_change_the_order_of_a_job_s_events(
    sessions: Sessions,
) -> None:
    start, job_id = newest(sessions), make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
    with sessions.begin() as session:
        second = session.get_one(JobEvent, (job_id, 2))
        second.at -= timedelta(hours=1)

    assert [seq for _, seq, _ in read(sessions, start)] == [1, 2]


# In SQLite a second writer waits for the first, so none commits late.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_an_event_that_commits_late_follows_the_events_read_before(sessions: Sessions) -> None:
    # Of two keys: claims of one key wait for each other.
    slow = make_job(sessions, created_by="key_slow").id
    quick = make_job(sessions, created_by="key_quick").id
    start = newest(sessions)
    with sessions.begin() as late:
        ClaimRepository(late).claim(slow, "worker-1")
        with sessions.begin() as session:
            ClaimRepository(session).claim(quick, "worker-2")
        before = read(sessions, start)
    after = read(sessions, before[-1][2])

    assert [(job, seq) for job, seq, _ in before] == [(quick, 2)]
    assert [(job, seq) for job, seq, _ in after] == [(slow, 2)]


def test_concurrent_writers_and_readers_miss_no_event(sessions: Sessions) -> None:
    start, writers = newest(sessions), 4
    job_ids = [make_job(sessions).id for _ in range(writers)]
    running = threading.Event()

    def write(job_id: str) -> None:
        for _ in range(15):
            with sessions.begin() as session:
                job = ClaimRepository(session).claim(job_id, "worker-1")
                assert job is not None
                LeaseRepository(session).release(job_id, job.attempt)

    def follow(seen: list[tuple[str, int, int]]) -> None:
        while not running.is_set() or read(sessions, seen[-1][2] if seen else start):
            seen += read(sessions, seen[-1][2] if seen else start)

    events: list[list[tuple[str, int, int]]] = [[], []]
    threads = [threading.Thread(target=write, args=(job_id,)) for job_id in job_ids]
    readers = [threading.Thread(target=follow, args=(seen,)) for seen in events]
    for thread in (*threads, *readers):
        thread.start()
    for thread in threads:
        thread.join()
    running.set()
    for thread in readers:
        thread.join()

    for seen in events:
        places = [place for *_, place in seen]
        assert places == list(range(start + 1, start + 1 + writers * 31))
        for job_id in job_ids:
            assert [seq for job, seq, _ in seen if job == job_id] == list(range(1, 32))


def test_the_position_of_a_deleted_event_is_never_reused(sessions: Sessions) -> None:
    kept, gone = make_job(sessions).id, make_job(sessions).id
    last = newest(sessions)
    with sessions.begin() as session:
        session.execute(delete(Job).where(Job.id == gone))
        ClaimRepository(session).claim(kept, "worker-1")
    assert read(sessions, last) == [(kept, 2, last + 1)]


def test_events_are_filtered_by_kind_and_status(sessions: Sessions) -> None:
    start = newest(sessions)
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
        LeaseRepository(session).report_progress(job_id, 1, block=(0, 2, "layers.0"))
    order_events(sessions)
    with sessions() as session:
        places = EventOrder(session)
        by_kind = places.events_after(start, 10, kinds=["progress"])
        by_status = places.events_after(start, 10, statuses=[JobState.queued])
    assert [event.seq for event in by_kind] == [3]
    assert [event.seq for event in by_status] == [1]
