"""The row of a job, for tests of what changes it, and the weights that it made."""

from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifacts import ArtifactRepository
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.tables.jobs import Job


def read(sessions: Sessions, job_id: str) -> Job:
    with sessions() as session:
        return JobRepository(session).get(job_id)


def cancel(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        JobCommands(session).cancel(job_id)


def pruned(sessions: Sessions, job: Job) -> dict[str, str]:
    """Return the sha256 of the weights that a job made."""
    assert read(sessions, job.id).status is JobState.succeeded, read(sessions, job.id).error
    with sessions() as session:
        artifacts = ArtifactRepository(session).of_job(job.id)
    return {one.name: one.sha256 for one in artifacts if one.name.endswith(".safetensors")}
