"""Jobs that workers held at known times."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.core.session import Sessions
from db.core.states import JobState
from db.events.use_sums import Sums, add_sums, correction
from db.tables.jobs import Job, JobEvent
from tests.factories import make_job, make_spec

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def held_job(sessions: Sessions, *spans: tuple[datetime, datetime | None], **overrides: Any) -> Job:
    """Insert a job that workers held in these spans; without an end, the last one goes on."""
    last = spans[-1][1]
    state = JobState.running if last is None else JobState.failed
    row = {"created_at": spans[0][0], "updated_at": last or spans[-1][0], "finished_at": last}
    job = make_job(sessions, make_spec(), status=state, **row | overrides)
    with sessions.begin() as session:
        for number, (start, end) in enumerate(spans, start=1):
            _add(session, job, number * 2 + 8, start, JobState.running)
            if end is not None:
                _add(session, job, number * 2 + 9, end, JobState.failed)
        session.flush()
        correct_sums(session)
    return job


def correct_sums(session: Session) -> Sums:
    """Let the sums be those of rows that a test has written; return what they lacked."""
    lacking = correction(session.connection())
    add_sums(session.connection(), lacking)
    return lacking


def _add(session: Session, job: Job, seq: int, moment: datetime, status: JobState) -> None:
    fields = {"kind": "status", "status": status, "attempt": 1, "data": {}}
    session.add(JobEvent(job_id=job.id, seq=seq, at=moment, **fields))
