from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from db.core.errors import JobNotFoundError
from db.core.session import Sessions, open_sessions
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository, NewJob
from db.schema.migration import migrate
from tests.factories import make_job, make_spec

IDLE_TIMEOUT = "idle_in_transaction_session_timeout"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@on_sqlite
def test_sqlite_uses_a_write_ahead_log_and_foreign_keys(sessions: Sessions) -> None:
    with sessions() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA synchronous")) == 2


def test_a_reader_does_not_wait_for_a_writer(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as writer:
        JobCommands(writer).cancel(job.id)
        with sessions() as reader:
            assert JobRepository(reader).get(job.id).version == 1


def test_concurrent_transactions_that_read_before_they_write_do_not_fail(
    sessions: Sessions,
) -> None:
    job = make_job(sessions)
    start = Barrier(4)
    done = []

    def read_then_write() -> None:
        start.wait()
        for _ in range(20):
            with sessions.begin() as session:
                jobs = JobRepository(session)
                jobs.get(job.id)
                jobs.add(NewJob(make_spec()))
        done.append(True)

    threads = [Thread(target=read_then_write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4


def test_an_error_inside_a_transaction_rolls_it_back(sessions: Sessions) -> None:
    with pytest.raises(JobNotFoundError):
        add_then_fail(sessions)
    with sessions() as session:
        assert JobRepository(session).page() == []


def add_then_fail(sessions: Sessions) -> None:
    with sessions.begin() as session:
        JobRepository(session).add(NewJob(make_spec()))
        JobCommands(session).cancel("job_0")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_sqlite_in_memory_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        open_sessions(url)


def test_migrating_sqlite_creates_its_folder(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a' / 'b' / 'zpruner.db'}"
    migrate(url)
    sessions = open_sessions(url)
    with sessions() as session:
        assert session.scalar(text("SELECT 1")) == 1
    sessions.kw["bind"].dispose()


@on_postgres
def test_a_slow_statement_times_out(database_url: str) -> None:
    from_api = open_sessions(database_url, statement_timeout=timedelta(milliseconds=50))
    with pytest.raises(OperationalError, match="statement timeout"), from_api() as session:
        session.execute(text("SELECT pg_sleep(5)"))
    from_api.kw["bind"].dispose()


@on_postgres
def test_the_locks_of_a_client_that_stops_in_a_transaction_are_released(
    database_url: str, sessions: Sessions
) -> None:
    job = make_job(sessions)
    stopped = open_sessions(database_url, idle_timeout=timedelta(minutes=1))
    with stopped() as frozen:
        JobCommands(frozen).cancel(job.id)
        # Only from now on: a busy machine may pause between two statements of the cancel.
        assert frozen.scalar(text(f"SHOW {IDLE_TIMEOUT}")) == "1min"
        frozen.execute(text(f"SET LOCAL {IDLE_TIMEOUT} = '200ms'"))
        with sessions.begin() as session:
            assert JobCommands(session).cancel(job.id).status == "cancelled"
        with pytest.raises(OperationalError, match="idle-in-transaction"):
            frozen.commit()
    stopped.kw["bind"].dispose()
