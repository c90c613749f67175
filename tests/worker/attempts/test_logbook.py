"""What an attempt logs can be read afterwards."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import delete

from db.core.session import Sessions
from db.events.logs import LogRepository
from db.tables.jobs import Job
from db.tables.logs import LogLine
from tests.factories import make_job
from tests.worker.work import work
from worker.attempts import logbook
from worker.attempts.logbook import MOST_CHARACTERS, LogBook
from worker.attempts.run import GAVE_UP, Runner

log = logging.getLogger("worker.anything")


@pytest.fixture(autouse=True)
def _informed() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(level)


def told(sessions: Sessions, job_id: str) -> list[LogLine]:
    with sessions() as session:
        return LogRepository(session).lines(job_id, limit=10_000)


def test_a_run_tells_its_phases_its_blocks_and_its_end(
    sessions: Sessions, runner: Callable[..., Runner]
) -> None:
    job = make_job(sessions)
    runner(work(blocks=2)).run(job.id)
    log.info("not the job's")
    messages = [line.message for line in told(sessions, job.id)]
    assert messages == [
        "attempt 1 begins on test/1",
        "resolving",
        "pruning",
        "block 1 of 2 (layers.0): sparsity 0.5000",
        "block 2 of 2 (layers.1): sparsity 0.5000",
        "attempt 1 succeeded with 2 files",
    ]


def test_a_failure_is_told_with_its_traceback(
    sessions: Sessions, runner: Callable[..., Runner]
) -> None:
    def fail(_: int) -> None:
        raise ValueError("no such thing")

    job = make_job(sessions)
    runner(work(before=fail)).run(job.id)
    (error,) = [line for line in told(sessions, job.id) if line.level == "ERROR"]
    assert "Traceback" in error.message
    assert "ValueError: no such thing" in error.message


def test_lines_can_be_read_while_the_attempt_runs(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "WRITE_EVERY_S", 0.02)
    job = make_job(sessions)
    with LogBook(sessions, job.id, 1):
        log.info("early")
        deadline = time.monotonic() + 10
        while not told(sessions, job.id):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_flood_is_cut_and_says_so_but_what_is_grave_finds_room(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "MOST_LINES", 3)
    monkeypatch.setattr(logbook, "MOST_GRAVE_LINES", 4)
    job = make_job(sessions)
    with LogBook(sessions, job.id, 1):
        for number in range(5):
            log.info("line %d", number)
        log.error("grave")
        log.error("too many of these, too")
    lines = told(sessions, job.id)
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5]
    messages = [line.message for line in lines]
    assert messages[2:] == ["line 2", "grave", "3 further lines were left out"]


def test_what_a_database_cannot_keep_is_written_otherwise(sessions: Sessions) -> None:
    job = make_job(sessions)
    odd = {"name": "odd", "msg": "nul \0 lone \udc80 end", "levelno": logging.INFO}
    with LogBook(sessions, job.id, 1) as book:
        book.handle(logging.makeLogRecord(odd))  # by itself: pytest's reports cannot hold it either
        log.log(35, "x" * (MOST_CHARACTERS + 1))
    first, second = told(sessions, job.id)
    assert first.message == "nul \\0 lone \\udc80 end"
    assert (len(second.message), second.level) == (MOST_CHARACTERS + 1, "WARNING")


def test_a_database_that_is_away_for_a_while_gets_the_lines_later(sessions: Sessions) -> None:
    job, engine = make_job(sessions), sessions.kw["bind"]
    with LogBook(sessions, job.id, 1) as book:
        log.info("patient")
        sessions.configure(bind=None)
        book.flush()
        sessions.configure(bind=engine)
    assert [line.message for line in told(sessions, job.id)] == ["patient"]


def test_a_job_that_is_deleted_meanwhile_stops_nobody(sessions: Sessions) -> None:
    job = make_job(sessions)
    with LogBook(sessions, job.id, 1):
        log.info("for nobody")
        with sessions.begin() as session:
            session.execute(delete(Job).where(Job.id == job.id))
    assert told(sessions, job.id) == []


SECRETIVE = """
import logging, sys
from db import redaction
from db.core.session import open_sessions
from worker.attempts.logbook import LogBook
redaction.install()
logging.basicConfig(level=logging.INFO)
with LogBook(open_sessions(sys.argv[1]), sys.argv[2], 1):
    try:
        raise ValueError("https://user:canary@hub")
    except ValueError:
        logging.exception("with hf_canarycanarycanarycanary")
"""


def test_no_secret_is_kept(sessions: Sessions, database_url: str) -> None:
    job = make_job(sessions)
    command = [sys.executable, "-c", SECRETIVE, database_url, job.id]
    subprocess.run(command, check=True, capture_output=True)
    (line,) = told(sessions, job.id)
    assert line.message.startswith("with hf_***")
    assert "ValueError: https://user:***@hub" in line.message
    assert "canary@" not in line.message


HASTY = """
import logging, os, sys
from db.core.session import open_sessions
from worker.attempts.logbook import LogBook
from worker.attempts.run import leave
logging.basicConfig(level=logging.INFO)
with LogBook(open_sessions(sys.argv[1]), sys.argv[2], 1):
    logging.info("last words")
    leave()
"""


def test_a_process_that_leaves_in_haste_writes_its_last_lines(
    sessions: Sessions, database_url: str
) -> None:
    job = make_job(sessions)
    done = subprocess.run([sys.executable, "-c", HASTY, database_url, job.id], check=False)
    assert done.returncode == GAVE_UP
    assert [line.message for line in told(sessions, job.id)] == ["last words"]
