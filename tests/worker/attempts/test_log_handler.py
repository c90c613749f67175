"""What an attempt logs can be read afterwards."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, delete, event, select

from db.core.session import Sessions
from db.core.states import JobState
from db.events.logs import LogRepository
from db.tables.jobs import Job
from db.tables.logs import LogLine
from tests.factories import make_job
from tests.waiting import eventually
from tests.worker.work import work
from worker.attempts import log_handler
from worker.attempts.log_handler import MAX_CHARACTERS, JobLogHandler
from worker.attempts.run import EX_TEMPFAIL, Runner

logger = logging.getLogger("worker.anything")


@pytest.fixture(autouse=True)
def _informed() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(level)


def logged(sessions: Sessions, job_id: str) -> list[LogLine]:
    with sessions() as session:
        return LogRepository(session).lines(job_id, limit=10_000)


def test_a_run_logs_its_phases_blocks_and_end(
    sessions: Sessions, runner: Callable[..., Runner]
) -> None:
    job = make_job(sessions)
    runner(work(blocks=2)).run(job.id)
    logger.info("not the job's")
    messages = [line.message for line in logged(sessions, job.id)]
    assert messages == [
        "attempt 1 begins on test/1",
        "resolving",
        "pruning",
        "block 1 of 2 (layers.0): sparsity 0.5000",
        "block 2 of 2 (layers.1): sparsity 0.5000",
        "attempt 1 succeeded with 2 files",
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_the_log_of_a_job_that_has_ended_is_complete(
    sessions: Sessions, runner: Callable[..., Runner], fails: bool
) -> None:
    """A client that follows the log reads it for the last time once it sees the job's end."""

    def fail(_: int) -> None:
        raise ValueError("no such thing")

    job = make_job(sessions)
    at_the_end: list[list[str]] = []

    @event.listens_for(sessions.kw["bind"], "commit")
    def read(connection: Connection) -> None:
        status = connection.scalar(select(Job.status).where(Job.id == job.id))
        if status in {JobState.succeeded, JobState.failed}:
            lines = connection.scalars(select(LogLine.message).where(LogLine.job_id == job.id))
            at_the_end.append(list(lines))

    runner(work(before=fail if fails else lambda _: None)).run(job.id)
    assert at_the_end[0] == [line.message for line in logged(sessions, job.id)]


def test_a_failure_is_logged_with_its_traceback(
    sessions: Sessions, runner: Callable[..., Runner]
) -> None:
    def fail(_: int) -> None:
        raise ValueError("no such thing")

    job = make_job(sessions)
    runner(work(before=fail)).run(job.id)
    (error,) = [line for line in logged(sessions, job.id) if line.level == "ERROR"]
    assert "Traceback" in error.message
    assert "ValueError: no such thing" in error.message


def test_lines_can_be_read_while_the_attempt_runs(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_handler, "FLUSH_INTERVAL_S", 0.02)
    job = make_job(sessions)
    with JobLogHandler(sessions, job.id, 1):
        logger.info("early")
        eventually(lambda: logged(sessions, job.id) != [])


def test_lines_beyond_the_limit_are_counted_and_errors_have_a_higher_limit(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_handler, "MAX_LINES", 3)
    monkeypatch.setattr(log_handler, "MAX_LINES_WITH_WARNINGS", 4)
    job = make_job(sessions)
    with JobLogHandler(sessions, job.id, 1):
        for number in range(5):
            logger.info("line %d", number)
        logger.error("grave")
        logger.error("too many of these, too")
    lines = logged(sessions, job.id)
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5]
    messages = [line.message for line in lines]
    assert messages[2:] == ["line 2", "grave", "3 further lines were left out"]


def test_characters_that_a_database_rejects_are_escaped(sessions: Sessions) -> None:
    job = make_job(sessions)
    odd = {"name": "odd", "msg": "nul \0 lone \udc80 end", "levelno": logging.INFO}
    with JobLogHandler(sessions, job.id, 1) as handler:
        handler.handle(
            logging.makeLogRecord(odd)
        )  # by itself: pytest's reports cannot hold it either
        logger.log(35, "x" * (MAX_CHARACTERS + 1))
    first, second = logged(sessions, job.id)
    assert first.message == "nul \\0 lone \\udc80 end"
    assert (len(second.message), second.level) == (MAX_CHARACTERS + 1, "WARNING")


def test_lines_are_written_after_an_outage_of_the_database(sessions: Sessions) -> None:
    job, engine = make_job(sessions), sessions.kw["bind"]
    with JobLogHandler(sessions, job.id, 1) as handler:
        logger.info("patient")
        sessions.configure(bind=None)
        handler.flush()
        sessions.configure(bind=engine)
    assert [line.message for line in logged(sessions, job.id)] == ["patient"]


def test_the_lines_of_a_deleted_job_are_dropped_without_an_error(sessions: Sessions) -> None:
    job = make_job(sessions)
    with JobLogHandler(sessions, job.id, 1):
        logger.info("not stored")
        with sessions.begin() as session:
            session.execute(delete(Job).where(Job.id == job.id))
    assert logged(sessions, job.id) == []


LOGS_SECRETS = """
import logging, sys
from db.core import redaction
from db.core.session import open_sessions
from worker.attempts.log_handler import JobLogHandler
redaction.install()
logging.basicConfig(level=logging.INFO)
with JobLogHandler(open_sessions(sys.argv[1]), sys.argv[2], 1):
    try:
        raise ValueError("https://user:canary@hub")
    except ValueError:
        logging.exception("with hf_canarycanarycanarycanary")
"""


def test_secrets_are_redacted(sessions: Sessions, database_url: str) -> None:
    job = make_job(sessions)
    command = [sys.executable, "-c", LOGS_SECRETS, database_url, job.id]
    subprocess.run(command, check=True, capture_output=True)
    (line,) = logged(sessions, job.id)
    assert line.message.startswith("with hf_***")
    assert "ValueError: https://user:***@hub" in line.message
    assert "canary@" not in line.message


EXITS_EARLY = """
import logging, os, sys
from db.core.session import open_sessions
from worker.attempts.log_handler import JobLogHandler
from worker.attempts.run import exit_process
logging.basicConfig(level=logging.INFO)
with JobLogHandler(open_sessions(sys.argv[1]), sys.argv[2], 1):
    logging.info("last words")
    exit_process()
"""


def test_a_process_that_exits_early_writes_its_last_lines(
    sessions: Sessions, database_url: str
) -> None:
    job = make_job(sessions)
    done = subprocess.run([sys.executable, "-c", EXITS_EARLY, database_url, job.id], check=False)
    assert done.returncode == EX_TEMPFAIL
    assert [line.message for line in logged(sessions, job.id)] == ["last words"]
