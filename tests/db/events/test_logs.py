"""The lines of attempts."""

from datetime import UTC, datetime

from db.core.session import Sessions
from db.events.logs import LEVELS, LogRepository, NewLine
from tests.factories import make_job

MOMENT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


def write(sessions: Sessions, job_id: str, attempt: int, count: int) -> None:
    lines = [
        NewLine(seq, MOMENT, LEVELS[seq % 3], "worker.attempts.run", f"line {seq}")
        for seq in range(1, count + 1)
    ]
    with sessions.begin() as session:
        LogRepository(session).write(job_id, attempt, lines)


def test_lines_are_ordered_by_attempt_and_number(sessions: Sessions) -> None:
    job_id, other = make_job(sessions).id, make_job(sessions).id
    write(sessions, other, 1, 2)
    for attempt in (1, 2):
        write(sessions, job_id, attempt, 3)
    with sessions() as session:
        logs = LogRepository(session)
        found = [(line.attempt, line.seq) for line in logs.lines(job_id)]
        assert found == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
        later = logs.lines(job_id, after=(1, 2), limit=2)
        assert [(line.attempt, line.seq) for line in later] == found[2:4]
        assert [line.seq for line in logs.lines(job_id, attempt=2)] == [1, 2, 3]
        assert [line.at for line in later] == [MOMENT] * 2


def test_lines_are_filtered_by_level_and_limited_to_the_last(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    write(sessions, job_id, 1, 9)
    with sessions() as session:
        logs = LogRepository(session)
        assert [line.seq for line in logs.lines(job_id, level="WARNING")] == [2, 5, 8]
        assert [line.seq for line in logs.lines(job_id, level="INFO")] == [1, 2, 4, 5, 7, 8]
        assert [line.seq for line in logs.tail(job_id, limit=2)] == [8, 9]
        assert [line.seq for line in logs.tail(job_id, level="WARNING", limit=2)] == [5, 8]
