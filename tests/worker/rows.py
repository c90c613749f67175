"""The row of a job, for tests of what changes it."""

from db.core.session import Sessions
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.tables.jobs import Job


def read(sessions: Sessions, job_id: str) -> Job:
    with sessions() as session:
        return JobRepository(session).get(job_id)


def cancel(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        JobCommands(session).cancel(job_id)
